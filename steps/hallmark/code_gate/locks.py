"""Which packages a repository pins: reads the lock files of pip, uv, Poetry, PDM and Pipenv, and PEP 751's."""

from __future__ import annotations

import fnmatch
import json
import os
import posixpath
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.reporting.sarif import Finding

TOOL = "lock"
MISSING, EMPTY, UNREADABLE = "no-lock-file", "empty-lock-file", "unreadable-lock-file"
UNPINNED, UNHASHED, FOREIGN = "unpinned", "unhashed", "not-from-an-index"

KNOWN = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "pylock.*.toml", "Pipfile.lock")
REQUIREMENTS = ("requirements*.txt", "requirements*.lock")
"""pip's own format; a file that another one includes by `-r` is read too, whatever its name is."""

MAXIMUM_BYTES = 32 << 20

_HEADER = re.compile(r"^\[\[\s*(?:package|packages)\s*\]\]", re.MULTILINE)
_HASH = re.compile(r"\s--hash[= ]\s*(?P<algorithm>\w+):[0-9a-fA-F]+")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTIONS_OF_A_LINE = re.compile(r"\s--?(?:hash|config-settings|global-option|install-option)\b.*$")
_ELSEWHERE = re.compile(r"^(?:-e|--editable)\b|^(?:\.{0,2}/|[a-z+]+://|file:)|@\s*\w[\w+.-]*:|\.(?:whl|zip|tar\.gz)\b")
_ITSELF = re.compile(r"(?:(?:-e|--editable)[ =])?\s*\./?(?:\[[\w, .-]*\])?")
"""The repository's own package."""
_INCLUDE = re.compile(r"(?:-r|--requirement)\s*=?\s*(?P<file>\S+)")
_STRONG = ("sha256", "sha384", "sha512", "blake2b")


@dataclass(frozen=True, kw_only=True, order=True)
class Locked:
    """One package as a lock file pins it."""

    name: str
    """In its normal form (PEP 503)."""
    version: str
    """As written; empty where none is pinned."""
    file: str
    line: int
    hashed: bool = False
    elsewhere: bool = False
    """From a URL, a git repository or a folder, so that no index's advisories speak of it."""


@dataclass(frozen=True, kw_only=True)
class Locks:
    """What was read; `findings` say where a lock does not lock."""

    files: tuple[str, ...]
    packages: tuple[Locked, ...]
    findings: tuple[Finding, ...]

    @property
    def pinned(self) -> tuple[Locked, ...]:
        """The packages of an index, each once for a name and version, where it stands first."""
        first: dict[tuple[str, str], Locked] = {}
        for package in self.packages:
            if package.version and not package.elsewhere:
                first.setdefault((package.name, package.version), package)
        return tuple(first.values())


def read(source: Path, *, files: Sequence[str] = (), hashes: bool = True) -> Locks:
    """The packages that the lock files below `source` pin.

    Args:
        files: the lock files, relative to `source`; none: all whose names are known.
        hashes: whether a package without a hash is a finding.

    Raises:
        BadInputError: `files` names a file of a format that is not known.
    """
    found: list[Finding] = []
    packages: list[Locked] = []
    names = list(files) or _known(source)
    if not names:
        found.append(_finding("hallmark.yaml", 1, MISSING, "the repository has no lock file of a known name"))
    for name in names:  # which grows by what `-r` includes
        reader = _reader(name)
        try:
            text = _text(source, name)
            entries = reader(text, name)
            included = _included(text, name) if reader is _requirements else []
        except FileNotFoundError:
            found.append(
                _finding(name, 1, MISSING, "the policy or another file names this lock file, and it is not there")
            )
            continue
        except (BadInputError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            found.append(_finding(name, _line_of(error), UNREADABLE, f"it cannot be read: {_why(error)}"))
            continue
        names += [other for other in included if other not in names]
        if not (entries or included):
            found.append(_finding(name, 1, EMPTY, "it locks no package"))
        packages += entries
        found += [finding for entry in entries for finding in _judge(entry, hashes)]
    return Locks(files=tuple(names), packages=tuple(packages), findings=tuple(found))


def _judge(entry: Locked, hashes: bool) -> list[Finding]:
    if entry.elsewhere:
        message = f"{entry.name} comes from a URL or a folder, so nobody can look up what is known of it"
        return [_finding(entry.file, entry.line, FOREIGN, message)]
    if not entry.version:
        return [_finding(entry.file, entry.line, UNPINNED, f"{entry.name} is not pinned to one version by ==")]
    if hashes and not entry.hashed:
        return [_finding(entry.file, entry.line, UNHASHED, f"{entry.name} {entry.version} has no hash")]
    return []


def _finding(file: str, line: int, rule: str, message: str) -> Finding:
    return Finding(tool=TOOL, rule=rule, file=file, line=max(1, line), message=message[:400])


def _known(source: Path) -> list[str]:
    patterns = (*KNOWN, *REQUIREMENTS)
    return sorted(
        Path(folder, name).relative_to(source).as_posix()
        for folder, _, names in os.walk(source)
        for name in names
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


def _reader(name: str) -> Callable[[str, str], list[Locked]]:
    base = name.rpartition("/")[2]
    if base == "Pipfile.lock":
        return _pipfile
    if any(fnmatch.fnmatchcase(base, pattern) for pattern in KNOWN):
        return _toml
    if base.endswith((".txt", ".lock", ".in")):
        return _requirements
    raise BadInputError(
        f"the policy's code.lock.files names {name}, which is no lock file of a known format",
        solution=f"name one of {', '.join((*KNOWN, *REQUIREMENTS))}",
    )


def _text(source: Path, name: str) -> str:
    path = inside(source, name)
    if path.is_file() and path.stat().st_size > MAXIMUM_BYTES:
        raise ValueError(f"it is larger than {MAXIMUM_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8-sig")


def _requirements(text: str, file: str) -> list[Locked]:
    """pip's requirements: https://pip.pypa.io/en/stable/reference/requirements-file-format/."""
    found: list[Locked] = []
    for line, content in _logical_lines(text):
        bare = _OPTIONS_OF_A_LINE.sub("", content).strip()
        hashed = any(match["algorithm"] in _STRONG for match in _HASH.finditer(content))
        if _ITSELF.fullmatch(bare):
            continue
        if _ELSEWHERE.search(bare):
            found.append(Locked(name=bare.split("@")[0].strip()[:60], version="", file=file, line=line, elsewhere=True))
        elif not bare.startswith("-"):
            found.append(_requirement(bare, file, line, hashed))
    return found


def _included(text: str, file: str) -> list[str]:
    named = [match["file"] for _, line in _logical_lines(text) if (match := _INCLUDE.match(line))]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(file), name)) for name in named]


def _requirement(text: str, file: str, line: int, hashed: bool) -> Locked:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _LineError(line, str(error).splitlines()[0]) from None
    pins = [pin for pin in requirement.specifier if pin.operator in ("==", "===") and not pin.version.endswith(".*")]
    version = pins[0].version if len(requirement.specifier) == len(pins) == 1 else ""
    return Locked(name=canonicalize_name(requirement.name), version=version, file=file, line=line, hashed=hashed)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines joined where they end in a backslash, without comments and empty ones, with the number of the first."""
    found: list[tuple[int, str]] = []
    first, parts = 1, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        content = _COMMENT.sub("", line)
        first = number if not parts else first
        parts.append(content.removesuffix("\\"))
        if not content.endswith("\\"):
            found.append((first, " ".join(parts).strip()))
            parts = []
    if parts:
        found.append((first, " ".join(parts).strip()))
    return [(number, content) for number, content in found if content]


def _toml(text: str, file: str) -> list[Locked]:
    """uv.lock, poetry.lock, pdm.lock (`[[package]]`) and pylock.toml (`[[packages]]`, PEP 751)."""
    document = tomllib.loads(text)
    entries = document.get("package", document.get("packages"))
    if entries is None and not _is_lock(document):
        raise ValueError("it has neither [[package]] nor [[packages]]")
    lines = [text.count("\n", 0, header.start()) + 1 for header in _HEADER.finditer(text)]
    old_hashes = document.get("metadata", {}).get("files", {})
    return [
        _toml_entry(entry, file, line, old_hashes)
        for entry, line in zip(entries or [], [*lines, *[1] * len(entries or [])], strict=False)
        if not _is_the_project(entry)
    ]


def _is_lock(document: dict[str, Any]) -> bool:
    return "lock-version" in document or "version" in document or "metadata" in document


def _toml_entry(entry: dict[str, Any], file: str, line: int, old_hashes: dict[str, Any]) -> Locked:
    source = entry.get("source", {})
    elsewhere = any(entry.get(key) for key in ("vcs", "directory", "archive", "git", "url", "path")) or (
        # uv says `registry`; Poetry gives a `type`, which is `legacy` for an index of one's own.
        bool(source) and "registry" not in source and source.get("type") not in ("legacy", "pypi")
    )
    files = [
        *entry.get("files", old_hashes.get(entry["name"], [])),
        *entry.get("wheels", []),
        *([entry["sdist"]] if entry.get("sdist") else []),
    ]
    version = str(entry.get("version", ""))
    if version:
        _require_version(version, line)
    return Locked(
        name=canonicalize_name(entry["name"]),
        version=version,
        file=file,
        line=line,
        hashed=bool(files) and all(one.get("hash") or one.get("hashes") for one in files),
        elsewhere=elsewhere,
    )


def _is_the_project(entry: dict[str, Any]) -> bool:
    """uv locks the project, and the members of its workspace, beside what they need; so does PEP 751."""
    source = entry.get("source", {})
    folder = source.get("virtual", source.get("editable")) if isinstance(source, dict) else None
    if folder is None and isinstance(entry.get("directory"), dict):
        folder = entry["directory"].get("path")
    return isinstance(folder, str) and not folder.startswith(("/", ".."))


def _pipfile(text: str, file: str) -> list[Locked]:
    document = json.loads(text)
    found: list[Locked] = []
    for section, entries in document.items():
        for name, entry in entries.items() if section != "_meta" else ():
            at = text.find(f'"{name}": {{')
            line = text.count("\n", 0, max(0, at)) + 1
            elsewhere = any(key in entry for key in ("git", "path", "file", "hg", "svn"))
            version = str(entry.get("version", ""))
            pinned = version.removeprefix("==") if version.startswith("==") else ""
            hashed = bool(entry.get("hashes"))
            key = canonicalize_name(name)
            found.append(Locked(name=key, version=pinned, file=file, line=line, hashed=hashed, elsewhere=elsewhere))
    return found


def _require_version(version: str, line: int) -> None:
    try:
        Version(version)
    except InvalidVersion as error:
        raise _LineError(line, str(error)) from None


class _LineError(ValueError):
    """What is wrong in a line of a lock file."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _line_of(error: Exception) -> int:
    if isinstance(error, _LineError):
        return error.line
    if isinstance(error, json.JSONDecodeError):
        return error.lineno
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else 1


def _why(error: Exception) -> str:
    return f"a key {error} is missing" if isinstance(error, KeyError) else str(error)
