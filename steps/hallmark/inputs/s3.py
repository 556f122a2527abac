"""Fetches objects of S3, or of a server that speaks its protocol, through pyarrow's client (the AWS SDK for C++)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hallmark.documents.rules_inputs import S3
from hallmark.errors import BadInputError, HallmarkError, ToolFailedError
from hallmark.inputs import credentials
from hallmark.inputs.errors import RetriableError
from hallmark.inputs.local import MAXIMUM_FILES
from hallmark.inputs.retries import attempted
from hallmark.inputs.unpack import CHUNK_BYTES, Budget, write_stream

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem  # type: ignore[import-untyped]

CONNECT_SECONDS, REQUEST_SECONDS = 10.0, 60.0
_CODE = re.compile(r"AWS Error ([A-Z_]+)(?: \(HTTP status (\d+)\))?")
_STATUS = re.compile(r"HTTP status (\d{3})")
_NOT_ALLOWED = {
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "INVALID_CLIENT_TOKEN_ID",
    "UNRECOGNIZED_CLIENT",
    "REQUEST_EXPIRED",
    "EXPIRED_TOKEN",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "REQUEST_TIME_TOO_SKEWED",
}
_MISSING = {"NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND"}
_MISSING_SOLUTION = "correct bucket and key; some servers also say so to an access key that they do not know"
_TRY_AGAIN = {"SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "THROTTLING", "REQUEST_TIMEOUT"}


def connect(rules: S3, credential: Path | None) -> S3FileSystem:
    """The server, with the credential in the folder (`access-key`, `secret-key`, `session-token`), or anonymous.

    What the machine's user or its cloud may do does not count. Raises BadInputError for an incomplete credential.
    """
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    found = credentials.read(credential, ("access-key", "secret-key"), ("session-token",))
    server: dict[str, Any] = {}
    if rules.endpoint:
        parts = urlsplit(rules.endpoint)
        server = {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    return S3FileSystem(
        access_key=found.get("access-key"),
        secret_key=found.get("secret-key"),
        session_token=found.get("session-token"),
        anonymous=not found,
        region=rules.region,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        # `attempted` tries again, and bounds the time.
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
        **server,
    )


def fetch(
    location: str, scratch: Path, *, server: S3FileSystem, budget: Budget, deadline: float, what: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """Write the object `s3://bucket/key`, or all objects below `s3://bucket/prefix/`, to `scratch`.

    Returns:
        The files and their digests, by their names below the prefix.

    Raises:
        BadInputError: no such object, not allowed, or too large.
        ToolFailedError: the server cannot be reached, or goes on failing.
    """
    parts = urlsplit(location)
    key = location.removeprefix("s3://").partition("/")[2]
    if not parts.netloc or not key.strip("/") or "@" in parts.netloc:
        raise BadInputError(f"{what}: {location} names no object", solution="write s3://bucket/key")
    path = f"{parts.netloc}/{key}"
    names = {Path(key).name: path}
    if key.endswith("/"):
        names = attempted(lambda: _listed(server, path.rstrip("/"), what), what=what, deadline=deadline)
    files: dict[str, Path] = {}
    digests: dict[str, str] = {}
    for number, (name, source) in enumerate(sorted(names.items())):
        # Of the name only what tells the format: a key may hold anything.
        target = scratch / f"s3-{number}{Path(name).suffix[:12]}"

        def once(source: str = source, target: Path = target) -> str:
            before = budget.used
            try:
                return write_stream(_chunks(server, source, deadline, what), target, budget, what)
            except RetriableError:
                budget.used = before
                raise

        digests[name] = attempted(once, what=what, deadline=deadline)
        files[name] = target
    return files, digests


def _listed(server: S3FileSystem, prefix: str, what: str) -> dict[str, str]:
    from pyarrow.fs import FileSelector, FileType

    try:
        entries = server.get_file_info(FileSelector(prefix, recursive=True))
    except OSError as error:
        raise _explained(error, what) from error
    files = {
        entry.path.removeprefix(f"{prefix}/"): entry.path
        for entry in entries
        if entry.type is FileType.File and not entry.base_name.startswith((".", "_")) and entry.size
    }
    if not files:
        raise BadInputError(f"{what} has no objects with data", solution="correct the prefix, or provide the data")
    if len(files) > MAXIMUM_FILES:
        raise BadInputError(f"{what} is more than {MAXIMUM_FILES} objects", solution="write fewer, larger ones")
    return files


def _chunks(server: S3FileSystem, path: str, deadline: float, what: str) -> Iterator[bytes]:
    try:
        with server.open_input_stream(path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                if time.monotonic() > deadline:
                    raise RetriableError("the answer took longer than the rules' timeout")
                yield chunk
    except OSError as error:
        raise _explained(error, what) from error


def _explained(error: OSError, what: str) -> HallmarkError | RetriableError:
    """What pyarrow says in one sentence; a refused HEAD has no body, and so no code but its status."""
    text = str(error)
    code = match[1] if (match := _CODE.search(text)) else ""
    status = int(match[1]) if (match := _STATUS.search(text)) else 0
    if isinstance(error, FileNotFoundError) or code in _MISSING or status == 404:
        return BadInputError(f"{what} is missing: there is no such object", solution=_MISSING_SOLUTION)
    if code in _NOT_ALLOWED or status in (400, 401, 403):
        return BadInputError(
            f"{what} may not be read: the server answered {code or status}",
            solution="check the credential: it may be missing, wrong or expired, or not be allowed to read this",
        )
    if code in _TRY_AGAIN or code == "NETWORK_CONNECTION" or status == 429 or status >= 500:
        return RetriableError(f"the server answered {code or status}")
    if "curl" in text or "NETWORK" in text or "Timeout" in text or not code:
        return RetriableError("the server does not answer")
    return ToolFailedError(f"{what} could not be fetched: {code}", solution="see whether the server is well")
