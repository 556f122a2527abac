"""Gets the model's bytes from where the deployment keeps them; the image tells their digest and their number.

They are held in memory, where a loader wants them anyway: so nothing half-written is ever left behind, and a root that
nobody may write to is enough. Range requests: RFC 9110, section 14. Through the proxy that the environment names, and
with the authorities that `SSL_CERT_FILE` names, as other programs do.
"""

from __future__ import annotations

import http.client
import io
import math
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from . import registry
from .errors import EndedError, StoreFailedError, UnusableModelError, WrongSettingsError
from .kept import Wanted, cached, keep, local, read_file, say, words
from .settings import LOOPBACK, PREFIX, Settings, filled, origin, shown

CHUNK_BYTES = 1 << 20
SILENT_SECONDS = 30.0
"""That the store may say nothing."""
FIRST_SECONDS, LONGEST_SECONDS = 0.25, 16.0
"""The pauses between attempts; each is twice the one before, and a little random, for many start at the same time."""
MARGIN_SECONDS = 1.0
"""Beyond the timeout, for whoever fetches to tell by itself what it has waited for."""
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
TOKEN_BYTES = 64 << 10


@dataclass(kw_only=True)
class Fetching:
    """One start's fetching; `stop` ends it from another thread."""

    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)
    _authorization: str | None = None
    """What the registry wanted last."""
    _until: float = math.inf
    """When the download that is under way has to be done, of `time.monotonic`."""

    def require_time(self) -> None:
        """Asked from another thread: a read ends only after a silence, and a store may send a byte now and then.

        Raises:
            StoreFailedError: the time that the deployment gives has passed.
        """
        if time.monotonic() > self._until + MARGIN_SECONDS:
            raise StoreFailedError(f"fetching the model took longer than {self.settings.timeout:g} s ({PREFIX}TIMEOUT)")

    def model(self, wanted: Wanted) -> bytes:
        """The model's bytes, from the cache or from the store.

        Raises:
            WrongSettingsError: nobody has told where it is, or what was told makes no sense.
            UnusableModelError: what is there is another file.
            StoreFailedError: the store does not answer, does not let us in, or does not have it.
            EndedError: the server was told to end.
        """
        if self.settings.url is None:
            raise WrongSettingsError(f"the image has no model in it, and {PREFIX}URL does not tell where to fetch it")
        url = filled(
            self.settings.url,
            {
                "digest": wanted.digest,
                "sha256": wanted.digest.removeprefix("sha256:"),
                "file": wanted.file,
                "name": wanted.name,
                "version": wanted.version,
            },
        )
        place = None
        if self.settings.cache is not None:
            place = self.settings.cache / wanted.digest.replace(":", "-")
            if (data := cached(place, wanted)) is not None:
                return data
        data = read_file(local(url), wanted) if url.startswith("file:") else self._download(url, wanted)
        if place is not None:
            keep(data, place)
        return data

    def _download(self, url: str, wanted: Wanted) -> bytes:
        self.settings.require_allowed(url)
        handlers = [_Redirects(self.settings), urllib.request.HTTPSHandler(context=_tls())]
        if LOOPBACK.fullmatch(urlsplit(url).hostname or ""):
            # A proxy that a base image names has another loopback.
            handlers.append(urllib.request.ProxyHandler({}))
        opener = urllib.request.build_opener(*handlers)
        self._until = until = time.monotonic() + self.settings.timeout
        failures = best = 0
        body = io.BytesIO()
        while True:
            try:
                try:
                    self._take(opener, url, wanted, body, until)
                except _ChallengedError as error:
                    self._authorization = self._let_in(opener, url, error.challenge, error.file)
                    self._take(opener, url, wanted, body, until, answered=True)
                self._until = math.inf
                return wanted.require(body.getvalue(), shown(url))
            except _TryAgainError as error:
                failures = 0 if body.tell() > best else failures + 1
                best = max(best, body.tell())
                pause = max(_pause(failures), error.wait)
                if failures >= self.settings.retries or time.monotonic() + pause > until:
                    raise StoreFailedError(f"cannot fetch the model from {shown(url)}: {error}") from None
                say(f"fetching {shown(url)} again in {pause:.1f} s, from byte {body.tell()} on: {error}")
            if self.stop.wait(pause):
                raise EndedError("ended while it fetched the model")

    def _take(
        self, opener: Any, url: str, wanted: Wanted, body: IO[bytes], until: float, *, answered: bool = False
    ) -> None:
        """Append to `body` what is missing of it; where the store gives no parts, begin anew.

        Args:
            answered: the registry has its answer to who is asking.
        """
        headers = {"Accept-Encoding": "identity", "User-Agent": "hallmark"}
        if start := body.tell():
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - `require_allowed` has seen it
        self._authorize(request)
        try:
            with opener.open(request, timeout=SILENT_SECONDS) as response:
                if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    expected = wanted.size - start
                else:
                    # It begins at the beginning, or somewhere else than it was asked to.
                    body.seek(0)
                    body.truncate()
                    expected = wanted.size
                    if response.status != 200:
                        raise _TryAgainError("the store gave another part than it was asked for")
                if (told := response.headers.get("Content-Length")) is not None and told != str(expected):
                    raise UnusableModelError(f"{shown(url)} has {told} bytes to give, and the image's model {expected}")
                self._copy(response, body, wanted.size, url, until)
        except urllib.error.HTTPError as error:
            with error:
                told = error.headers.get("WWW-Authenticate", "")
                # Wherever the registry led to must not say who is to be given the registry's password.
                own = origin(error.url) == origin(url)
                if error.code == 401 and told and self.settings.docker_config is not None and own and not answered:
                    raise _ChallengedError(told, self.settings.docker_config) from None
                self._refused(error, url, body)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise StoreFailedError(
                    f"the certificate of {shown(url)} is not trusted ({error.reason.verify_message}); SSL_CERT_FILE "
                    "names a file with the authorities"
                ) from None
            raise _TryAgainError(f"no answer ({words(error.reason)})") from None
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgainError(f"the connection broke ({words(error)})") from None

    def _copy(self, response: Any, body: IO[bytes], size: int, url: str, until: float) -> None:
        while chunk := response.read1(CHUNK_BYTES):
            if self.stop.is_set():
                raise EndedError("ended while it fetched the model")
            if body.tell() + len(chunk) > size:
                raise UnusableModelError(f"{shown(url)} gives more than the {size} bytes of the image's model")
            if time.monotonic() > until:
                raise StoreFailedError(f"{shown(url)} took longer than {self.settings.timeout:g} s")
            body.write(chunk)
        if body.tell() < size:
            raise _TryAgainError(f"the connection broke after {body.tell()} of {size} bytes")

    def _authorize(self, request: urllib.request.Request) -> None:
        """Read the token anew for each attempt, for whoever mounts it may renew it; it goes to no other address."""
        if self._authorization is not None:
            request.add_unredirected_header("Authorization", self._authorization)
        if self.settings.token_file is None:
            return
        try:
            with self.settings.token_file.open("rb") as file:
                token = file.read(TOKEN_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise WrongSettingsError(f"{PREFIX}TOKEN_FILE cannot be read: {words(error)}") from None
        if not token or not token.isprintable() or " " in token:
            raise WrongSettingsError(f"{PREFIX}TOKEN_FILE holds no token: one word is wanted")
        request.add_unredirected_header("Authorization", f"Bearer {token}")

    def _let_in(self, opener: Any, url: str, challenge: str, file: Path) -> str:
        """What to send the registry so that it lets us in."""
        user, password = registry.credential(file, url)
        address = registry.token_address(challenge)
        if address is None:
            return registry.basic(user, password)
        try:
            self.settings.require_allowed(address)
            request = urllib.request.Request(address, headers={"User-Agent": "hallmark"})  # noqa: S310 - the line above
            request.add_unredirected_header("Authorization", registry.basic(user, password))
            with opener.open(request, timeout=SILENT_SECONDS) as response:
                return registry.bearer(response.read(registry.MAXIMUM_BYTES))
        except WrongSettingsError as error:
            raise StoreFailedError(f"{shown(url)} wants a token of {shown(address)}: {error}") from None
        except urllib.error.HTTPError as error:
            with error:
                if error.code in TRY_AGAIN:
                    raise _TryAgainError(f"{shown(address)} gives no token (status {error.code})") from None
                raise StoreFailedError(
                    f"{shown(address)} gives no token (status {error.code}): user or password is wrong or has expired"
                ) from None
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgainError(f"{shown(address)} gives no token ({words(error)})") from None

    def _refused(self, error: urllib.error.HTTPError, url: str, body: IO[bytes]) -> None:
        if error.code in TRY_AGAIN:
            asked = error.headers.get("Retry-After", "")
            wait = min(SILENT_SECONDS, float(asked)) if asked.isascii() and asked.isdigit() else 0.0
            raise _TryAgainError(f"status {error.code}", wait) from None
        if error.code == 416:
            body.seek(0)
            body.truncate()
            raise _TryAgainError("the store has no such part") from None
        if error.code in (401, 403):
            hint = "it may want a credential"
            if self.settings.token_file is not None or self.settings.docker_config is not None:
                hint = "the credential is wrong, has expired, or is not allowed to read this"
            if "?" in url:
                hint += ", or the signed address has expired"
            if origin(error.url) != origin(url):
                hint = f"it leads to {shown(error.url)}, which gets no credential and gives nothing without"
            raise StoreFailedError(f"{shown(url)} may not be read (status {error.code}): {hint}") from None
        raise StoreFailedError(f"{shown(url)} gives no model (status {error.code})") from None


class _ChallengedError(Exception):
    """A registry wants to know who is asking, and there is a file that says so."""

    def __init__(self, challenge: str, file: Path) -> None:
        super().__init__()
        self.challenge, self.file = challenge, file


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that the store asks to wait."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to allowed addresses only, never from https to http, and takes the token nowhere else."""

    max_redirections = 5

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        # `urllib` would read all of what comes with the address before it follows, and that may have no end.
        fp.close()
        try:
            found = super().http_error_302(req, io.BytesIO(), code, msg, headers)
        except ValueError:
            raise StoreFailedError(f"{shown(req.full_url)} leads to an address that is none") from None
        if found is None:
            raise StoreFailedError(f"{shown(req.full_url)} leads to no address (status {code})")
        return found

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        try:
            self._settings.require_allowed(newurl)
            if before.scheme == "https" and after.scheme != "https":
                raise WrongSettingsError("that is from https to http")
        except WrongSettingsError as error:
            raise StoreFailedError(f"{shown(req.full_url)} leads to {shown(newurl)}: {error}") from None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        told = req.unredirected_hdrs.get("Authorization")
        if following is not None and told and origin(req.full_url) == origin(newurl):
            following.add_unredirected_header("Authorization", told)
        return following


def _pause(failures: int) -> float:
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**failures) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
