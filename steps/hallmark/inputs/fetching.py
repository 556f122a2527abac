"""Brings an input's files within reach: finds them in their folder, or fetches them into the scratch folder.

What comes from elsewhere is hashed while it is written, so that what was hashed is what is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hallmark.documents.rules_inputs import SCHEMES, InputRules, is_database
from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes, sha256_file
from hallmark.inputs import local
from hallmark.inputs.errors import cannot_read
from hallmark.inputs.formats import SNIFFED_BYTES
from hallmark.inputs.unpack import Budget
from hallmark.nearest import nearest

LFS_POINTER = b"version https://git-lfs"
ROWS_FILE = "rows.arrow"
"""What a database gave."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    files: dict[str, Path]
    several: bool
    """Whether the location is a folder or a pattern, even if it leads to one file only."""
    digests: dict[str, str]
    """Of what was hashed on its way; other files are hashed where they lie."""
    database: bool = False
    """Whether the one file holds what a database answered."""

    def digest(self) -> str:
        """As `InputRules.sha256` says."""
        if self.database:
            from hallmark.inputs import sql

            return sql.digest(next(iter(self.files.values())))
        found = {name: self.digests.get(name) or sha256_file(path) for name, path in self.files.items()}
        if not self.several:
            return next(iter(found.values()))
        return sha256_bytes(
            "".join(f"{found[name][7:]}  {name}\n" for name in sorted(found)).encode("utf-8", "replace")
        )


def fetch(
    location: str, *, base: Path, own: Path, credential: Path | None, rules: InputRules, budget: Budget, what: str
) -> Fetched:
    """The files of a location; what has to be fetched goes below `own`.

    Raises:
        BadInputError: there are none, they may not be read, or they are larger than the rules allow; a query that is
            wrong or gives nothing.
        ToolFailedError: a service did not answer, or the disk is full.
    """
    deadline = time.monotonic() + rules.timeout
    scheme = scheme_of(location, what)
    if is_database(location):
        return _asked(location, own / ROWS_FILE, credential, rules, budget, deadline, what)
    if scheme == "s3":
        from hallmark.inputs import s3

        server = s3.connect(rules.s3, credential)
        files, digests = s3.fetch(location, own, server=server, budget=budget, deadline=deadline, what=what)
        return Fetched(files=files, several=location.endswith("/"), digests=digests)
    if scheme in ("http", "https"):
        from hallmark.inputs import http

        name = Path(urlsplit(location).path).name or "data"
        target = own / "fetched"
        digest = http.fetch(location, target, credential=credential, budget=budget, deadline=deadline, what=what)
        return Fetched(files={name: target}, several=False, digests={name: digest})
    found = find(base, location, what)
    if any(start_of(path, what).startswith(LFS_POINTER) for path in found.files.values()):
        from hallmark.inputs import lfs

        resolved = lfs.resolve(found.files, own, credential=credential, budget=budget, seconds=rules.timeout, what=what)
        return Fetched(files=resolved, several=found.several, digests={})
    return found


def find(base: Path, location: str, what: str) -> Fetched:
    """The files of a path, folder or pattern below `base`, where they lie. Raises as `local.find` does."""
    found = local.find(base, location, what)
    return Fetched(files=found.files, several=found.several, digests={})


def _asked(
    location: str, target: Path, credential: Path | None, rules: InputRules, budget: Budget, deadline: float, what: str
) -> Fetched:
    from hallmark.inputs import sql
    from hallmark.inputs.retries import attempted

    statement = sql.statement(rules.sql, pinned=rules.sha256 is not None, what=what)

    def once() -> None:
        budget.used = 0
        sql.fetch(location, statement, target, credential=credential, seconds=rules.timeout, budget=budget, what=what)

    attempted(once, what=what, deadline=deadline)
    return Fetched(files={target.name: target}, several=False, digests={}, database=True)


def shown(location: str) -> str:
    """A location as it may stand in a report: without the query of a URL, which may hold a signature or a token.

    >>> shown("https://data.example.com/iris.csv?X-Amz-Signature=abc")
    'https://data.example.com/iris.csv'
    """
    if is_database(location) or location.partition("://")[0] in ("http", "https"):
        return location.partition("#")[0].partition("?")[0]
    return location


def scheme_of(location: str, what: str) -> str:
    """The location's scheme, empty for a path. Raises BadInputError for another one, or one with a password."""
    scheme, separator, _ = location.partition("://")
    if not separator:
        return ""
    if scheme not in SCHEMES:
        near = nearest(scheme, SCHEMES)
        raise BadInputError(
            f"{what}: {scheme[:20]}:// is no kind of location",
            solution=f"did you mean {near}://?" if near else f"known here: paths and {', '.join(SCHEMES)}",
        )
    try:
        parts = urlsplit(location)
        has_user = "@" in parts.netloc
        _ = parts.port
    except ValueError as error:
        raise BadInputError(f"{what}: its location is no URL", solution="correct it") from error
    if has_user:
        raise BadInputError(
            f"{what}: its location holds a user or a password",
            solution="take it out, change the password, and give a Secret with `username` and `password` instead",
        )
    return scheme


def start_of(path: Path, what: str) -> bytes:
    """The first bytes of a file, enough to tell its format."""
    try:
        with path.open("rb") as file:
            return file.read(SNIFFED_BYTES)
    except OSError as error:
        raise cannot_read(what, error) from error
