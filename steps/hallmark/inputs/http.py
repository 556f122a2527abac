"""Fetches a file by HTTP: streamed to the scratch folder and hashed on its way."""

from __future__ import annotations

import base64
import contextlib
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hallmark.errors import BadInputError
from hallmark.inputs import credentials
from hallmark.inputs.errors import RetriableError
from hallmark.inputs.retries import attempted
from hallmark.inputs.unpack import CHUNK_BYTES, Budget, write_stream

if TYPE_CHECKING:
    from urllib3 import PoolManager
    from urllib3.response import BaseHTTPResponse

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
REDIRECTS = 5
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def fetch(url: str, target: Path, *, credential: Path | None, budget: Budget, deadline: float, what: str) -> str:
    """Write what `url` answers to `target`, and return its digest.

    Args:
        credential: a folder with `token` (sent as a bearer token), or with `username` and `password`.
        deadline: by `time.monotonic`.

    Raises:
        BadInputError: not found, not allowed, too large, or a credential that would travel in the clear.
        ToolFailedError: the server cannot be reached, or goes on failing.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "hallmark", **_authorization(url, credential, what)}
    pool = _pool(url)

    def once() -> str:
        before = budget.used
        try:
            with _answer(pool, url, headers, what) as response:
                return write_stream(_chunks(response, deadline), target, budget, what)
        except RetriableError:
            # What a broken attempt has written is gone.
            budget.used = before
            raise

    try:
        return attempted(once, what=what, deadline=deadline)
    finally:
        pool.clear()


@contextlib.contextmanager
def _answer(pool: PoolManager, url: str, headers: Mapping[str, str], what: str) -> Iterator[BaseHTTPResponse]:
    """The answer with status 200, whose body is still to be read."""
    from urllib3 import Timeout
    from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError
    from urllib3.util import Retry

    try:
        response = pool.request(
            "GET",
            url,
            headers=headers,
            preload_content=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            # urllib3 takes the credential off a redirect to another host. It retries nothing: `attempted` does.
            retries=Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS),
        )
    except MaxRetryError as error:
        if isinstance(error.reason, ResponseError):
            raise BadInputError(
                f"{what} redirects more than {REDIRECTS} times", solution="give its final address"
            ) from error
        raise RetriableError(f"no answer ({type(error.reason).__name__})") from error
    except HTTPError as error:
        raise RetriableError(f"no answer ({type(error).__name__})") from error
    try:
        _require_ok(response, what)
        yield response
    except HTTPError as error:
        raise RetriableError(f"the answer broke off ({type(error).__name__})") from error
    finally:
        response.close()


def _authorization(url: str, credential: Path | None, what: str) -> dict[str, str]:
    if credential is None:
        return {}
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise BadInputError(
            f"{what} has a credential, which http would send in the clear", solution="use https, or no credential"
        )
    if token := credentials.read(credential, (), ("token",)).get("token"):
        return {"Authorization": f"Bearer {token}"}
    found = credentials.read(credential, ("username", "password"))
    pair = base64.b64encode(f"{found['username']}:{found['password']}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _pool(url: str) -> PoolManager:
    """Through the proxy that the environment names, as other tools go too."""
    import urllib3

    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}")
    return urllib3.PoolManager()


def _require_ok(response: BaseHTTPResponse, what: str) -> None:
    status = response.status
    if status == 200:
        return
    if status in _TRY_AGAIN:
        asked = response.headers.get("Retry-After", "")
        raise RetriableError(f"status {status}", wait=float(asked) if asked.isdigit() else None)
    if status in (401, 403):
        raise BadInputError(
            f"{what} may not be read: the server answered {status}",
            solution="check the credential: it may be missing, wrong or expired, or not be allowed to read this",
        )
    if status in (404, 410):
        raise BadInputError(f"{what} is missing: the server answered {status}", solution="correct its address")
    raise BadInputError(f"{what} cannot be fetched: the server answered {status}", solution="correct its address")


def _chunks(response: BaseHTTPResponse, deadline: float) -> Iterator[bytes]:
    for chunk in response.stream(CHUNK_BYTES, decode_content=False):
        if time.monotonic() > deadline:
            raise RetriableError("the answer took longer than the rules' timeout")
        yield chunk
