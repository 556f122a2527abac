"""What the deployment tells the server about its model, by the environment.

| variable | |
|---|---|
| HALLMARK_MODEL_URL | where the model is kept: https, file, or http on this machine |
| HALLMARK_MODEL_URL_FILE | instead: a file with the address, which may be a secret itself |
| HALLMARK_MODEL_ALLOW_HTTP | `true`: http may go to another machine as well, never with a credential |
| HALLMARK_MODEL_TOKEN_FILE | a file with the token that is sent as `Authorization: Bearer` |
| HALLMARK_MODEL_DOCKER_CONFIG | a file as docker's config.json, for a registry |
| HALLMARK_MODEL_CACHE | a folder that outlives a restart of the container |
| HALLMARK_MODEL_RETRIES | attempts that bring nothing new, until the server gives up (8) |
| HALLMARK_MODEL_TIMEOUT | seconds for all of the fetching (900) |
| HALLMARK_MODEL_KEY | a file with the public key that must have signed the model |
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import WrongSettingsError

PREFIX = "HALLMARK_MODEL_"
LOOPBACK = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost")
MAXIMUM_BYTES = 64 << 10
"""Of an address."""
PLACE = re.compile(r"\{([^{}]*)\}")
SERVICE_LINK = re.compile(PREFIX + r"(SERVICE_\w+|PORT(_\w+)?)")
"""What Kubernetes itself tells every container of a namespace that has a service called `hallmark-model`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of it, checked as far as it can be without looking anywhere."""

    url: str | None
    """With its placeholders still in it."""
    allow_http: bool
    token_file: Path | None
    docker_config: Path | None
    cache: Path | None
    retries: int
    timeout: float
    """Seconds."""
    key: Path | None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in `environment`. Raises WrongSettingsError."""
        told = {
            name.removeprefix(PREFIX): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and not SERVICE_LINK.fullmatch(name)
        }
        known = {"URL", "URL_FILE", "ALLOW_HTTP", "TOKEN_FILE", "DOCKER_CONFIG", "CACHE", "RETRIES", "TIMEOUT", "KEY"}
        if unknown := sorted(told.keys() - known):
            raise WrongSettingsError(f"{PREFIX}{unknown[0]} is unknown; there are {', '.join(sorted(known))}")
        # A variable that was meant to say something, and whose value got lost on the way, must not say nothing.
        if empty := sorted(name for name, value in told.items() if not value.strip()):
            raise WrongSettingsError(f"{PREFIX}{empty[0]} is empty")
        if told.get("ALLOW_HTTP", "false") not in ("true", "false"):
            raise WrongSettingsError(f"{PREFIX}ALLOW_HTTP is neither true nor false")
        for one, other in (("TOKEN_FILE", "DOCKER_CONFIG"), ("URL", "URL_FILE")):
            if one in told and other in told:
                raise WrongSettingsError(f"{PREFIX}{one} and {PREFIX}{other} are both set; give one")
        return cls(
            url=told.get("URL") if "URL_FILE" not in told else _address(Path(told["URL_FILE"])),
            allow_http=told.get("ALLOW_HTTP") == "true",
            token_file=_path(told, "TOKEN_FILE"),
            docker_config=_path(told, "DOCKER_CONFIG"),
            cache=_path(told, "CACHE"),
            retries=int(_number(told, "RETRIES", 8)),
            timeout=_number(told, "TIMEOUT", 900),
            key=_path(told, "KEY"),
        )

    def require_allowed(self, url: str) -> None:
        """Whether a request may go to `url`, with the credential if there is one. Raises WrongSettingsError."""
        if not url.isascii() or not url.isprintable() or " " in url:
            raise WrongSettingsError(f"{PREFIX}URL has characters that no address has")
        try:
            parts = urlsplit(url)
            secret, host = parts.username is not None or parts.password is not None, parts.hostname or ""
            _ = parts.port
            # As `urllib` and the socket will do it: a label that is empty or too long would be told only there.
            unquote(host).encode("idna")
        except ValueError:
            raise WrongSettingsError(f"{PREFIX}URL is no address") from None
        if secret:
            raise WrongSettingsError(f"{PREFIX}URL holds a user or password; give a token by {PREFIX}TOKEN_FILE")
        if parts.scheme == "https" and host:
            return
        if parts.scheme != "http" or not host:
            raise WrongSettingsError(f"{PREFIX}URL begins with none of https://, file:/// and http://")
        if LOOPBACK.fullmatch(host):
            return
        if not self.allow_http:
            raise WrongSettingsError(
                f"http would go to {host} in the clear; use https, or set {PREFIX}ALLOW_HTTP to true"
            )
        if self.token_file is not None or self.docker_config is not None:
            raise WrongSettingsError(f"http would send the credential to {host} in the clear; use https")


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with its placeholders replaced.

    >>> filled("https://store.example/v2/iris/blobs/{digest}", {"digest": "sha256:0"})
    'https://store.example/v2/iris/blobs/sha256:0'

    Raises:
        WrongSettingsError: there is one that nobody knows.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            places = ", ".join(f"{{{name}}}" for name in values)
            raise WrongSettingsError(f"{PREFIX}URL has a placeholder that is none of {places}")
        return values[found[1]]

    return PLACE.sub(value, template)


def shown(url: str) -> str:
    """`url` for people: without what may be a secret in it, as the query of an address that was signed is.

    >>> shown("https://ada:pw@store.example:8443/iris/model?signature=abc#x")
    'https://store.example:8443/iris/model'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    host = parts.netloc.rpartition("@")[2]
    return "".join(part if part.isprintable() else "?" for part in f"{parts.scheme}://{host}{parts.path}")


def origin(url: str) -> tuple[str, str, int | None]:
    """Who answers at `url`, an address that `require_allowed` has seen: scheme, host and port.

    >>> origin("https://Store.example/iris") == origin("https://store.example:443/")
    True
    """
    parts = urlsplit(url)
    port = parts.port if parts.port is not None else {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def listening_port(environment: Mapping[str, str], default: int) -> int:
    """`PORT`, or what the image says. Raises WrongSettingsError."""
    told = str(environment.get("PORT", default))
    if not told.isascii() or not told.isdigit() or len(told) > 5 or not 1 <= int(told) <= 65_535:
        raise WrongSettingsError("PORT is no number from 1 to 65535")
    return int(told)


def drain_seconds(environment: Mapping[str, str]) -> float:
    """`DRAIN_SECONDS`, for requests that are under way at the end. Raises WrongSettingsError."""
    return _within(environment.get("DRAIN_SECONDS", "20"), "DRAIN_SECONDS", 0)


def _address(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MAXIMUM_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise WrongSettingsError(f"{PREFIX}URL_FILE cannot be read ({type(error).__name__})") from None


def _path(told: Mapping[str, str], name: str) -> Path | None:
    return Path(told[name]) if name in told else None


def _number(told: Mapping[str, str], name: str, default: float) -> float:
    return _within(told.get(name, str(default)), PREFIX + name, 1)


def _within(text: str, name: str, lowest: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= 86_400:
        raise WrongSettingsError(f"{name} is no number from {lowest} to 86400")
    return value
