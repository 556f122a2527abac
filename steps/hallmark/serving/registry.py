"""Gets let in at a registry as its other clients do, with docker's config.json: a Secret of pods that pull from there.

A registry answers 401 and says whom it believes: user and password themselves (RFC 7617), or a token that it has to be
asked for elsewhere (https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .errors import StoreFailedError, WrongSettingsError

NAME = "HALLMARK_MODEL_DOCKER_CONFIG"
MAXIMUM_BYTES = 1 << 20
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def credential(file: Path, url: str) -> tuple[str, str]:
    """User and password for `url`: those of the entry that names most of its host and repository.

    Raises:
        WrongSettingsError: there is no such file or entry, or it holds neither.
    """
    try:
        with file.open("rb") as opened:
            entries = json.loads(opened.read(MAXIMUM_BYTES))["auths"]
        found = {_plain(name): entry for name, entry in entries.items() if isinstance(entry, dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongSettingsError(f"{NAME}: {file} is no config.json of docker ({type(error).__name__})") from None
    parts = urlsplit(url)
    place = f"{parts.netloc}/{parts.path.removeprefix('/v2/').lstrip('/')}/"
    fitting = [name for name in found if place.startswith(f"{name}/")]
    if not fitting:
        raise WrongSettingsError(f"{NAME}: {file} says nothing about {parts.netloc}")
    return _pair(found[max(fitting, key=len)], file)


def _pair(entry: dict[str, Any], file: Path) -> tuple[str, str]:
    try:
        told = base64.b64decode(entry.get("auth", ""), validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        told = ""
    user, colon, password = told.partition(":")
    if not colon:
        user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if not user or not password:
        raise WrongSettingsError(f"{NAME}: {file} has an entry without user and password; helpers are not asked")
    return user, password


def _plain(name: str) -> str:
    """An entry's name without what older clients put around it.

    >>> _plain("https://registry.example/v2/"), _plain("registry.example/team")
    ('registry.example', 'registry.example/team')
    """
    return re.sub(r"/v[12]$", "", name.partition("://")[2].rstrip("/") if "://" in name else name.rstrip("/"))


def basic(user: str, password: str) -> str:
    """The header's value. RFC 7617, in UTF-8."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def token_address(challenge: str) -> str | None:
    """Where the token is to be asked for; None where user and password are wanted themselves.

    >>> token_address('Bearer realm="https://auth.example/token",service="reg",scope="repository:iris:pull"')
    'https://auth.example/token?service=reg&scope=repository%3Airis%3Apull'
    >>> token_address('Basic realm="reg"')

    Raises:
        StoreFailedError: the registry wants something else.
    """
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() == "basic":
        return None
    told = dict(PARAMETER.findall(rest))
    if scheme.lower() != "bearer" or "realm" not in told:
        raise StoreFailedError("the registry wants neither a password nor a token")
    realm, _, query = told["realm"].partition("?")
    asked = [*parse_qsl(query), *((name, told[name]) for name in ("service", "scope") if name in told)]
    return f"{realm}?{urlencode(asked)}" if asked else realm


def bearer(answer: bytes) -> str:
    """The header's value, of what the token's place has answered. Raises StoreFailedError."""
    try:
        told = json.loads(answer)
        token = str(told.get("token") or told.get("access_token") or "")
    except (ValueError, AttributeError):
        token = ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise StoreFailedError("the place that the registry names for tokens gave none")
    return f"Bearer {token}"
