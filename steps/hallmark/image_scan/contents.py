"""What an image's files and settings would give away, or would let somebody do, in a container."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hallmark.documents.rules_scan import Files
from hallmark.image_scan.filesystem import Entry, FileSystem, lay_out
from hallmark.image_scan.packages import tells_of_system
from hallmark.reporting.sarif import Finding
from hallmark.tools import gitleaks

SETUID, WRITABLE, USER, LISTS = "setuid", "world-writable", "root-user", "package-list"
FILES_TOOL = "files"
CONFIG = "image-configuration.json"
STICKY, EVERYBODY = 0o1000, 0o002
MAXIMUM_PASSWD = 1 << 20
_SITE = re.compile(r"(.*(?:site|dist)-packages)/(.+)", re.DOTALL)
MAXIMUM_USER = (1 << 31) - 1


def privileged(root: Mapping[str, Entry], rules: Files, base: Mapping[str, Entry] | None = None) -> list[Finding]:
    """Files that give whoever runs them another user's rights, or capabilities, and are not allowed by the policy.

    Args:
        base: what the base image holds, whose files alone may be those of `setuid`; None: it is not known.
    """
    found = []
    for path, entry in sorted(root.items()):
        above = base is not None and not _as_in(base.get(path), entry)
        if entry.kind != "file" or f"/{path}" in (rules.setuid_above_base if above else rules.setuid):
            continue
        gives = [word for bit, word in ((0o4000, "setuid"), (0o2000, "setgid")) if entry.mode & bit]
        gives += ["capabilities"] if entry.capabilities else []
        if gives:
            where = f", in layer {entry.layer}, above the base" if above else ""
            found.append(_finding(SETUID, path, f"{' and '.join(gives)} ({entry.mode:o}, owner {entry.owner}){where}"))
    return found


def changed_lists(root: Mapping[str, Entry], base: Mapping[str, Entry]) -> list[Finding]:
    """Files by which an image tells its operating system and that one's packages, and that are not those of its base.

    Whoever is root in a layer can write there what is not true: a package that has a known vulnerability is taken out
    of the list, or a secret is listed as a package's own file.
    """
    found = []
    for path in sorted(path for path in {*root, *base} if tells_of_system(path)):
        if path not in root:
            found.append(_finding(LISTS, path, "was removed above the base"))
        elif not _as_in(base.get(path), root[path]) and not _are_folders(base.get(path), root[path]):
            what = "changed" if path in base else "added"
            found.append(_finding(LISTS, path, f"was {what} in layer {root[path].layer}, above the base"))
    return found


def _are_folders(below: Entry | None, entry: Entry) -> bool:
    """Whether a folder is no more than that: what matters is in it."""
    return entry.kind == "folder" and (below is None or below.kind == "folder")


def _as_in(below: Entry | None, entry: Entry) -> bool:
    """Whether the base's file is still there: the same one, or one of the same contents and rights."""
    if below is None or below == entry:
        return below == entry
    same = below.kind == entry.kind == "file" and below.sha256 == entry.sha256 and below.size == entry.size
    rights = (below.mode, below.owner, below.capabilities) == (entry.mode, entry.owner, entry.capabilities)
    return same and rights and bool(entry.sha256 or not entry.size)


def writable(root: Mapping[str, Entry], rules: Files) -> list[Finding]:
    """Files and folders that everybody may write to; of folders only those without the sticky bit."""
    return [
        _finding(WRITABLE, path, f"a {entry.kind} that everybody may write to ({entry.mode:o})")
        for path, entry in sorted(root.items())
        if entry.kind in ("file", "folder")
        and entry.mode & EVERYBODY
        and not (entry.kind == "folder" and entry.mode & STICKY)
        and f"/{path}" not in rules.world_writable
    ]


def root_user(config: Mapping[str, Any], root: Mapping[str, Entry]) -> list[Finding]:
    """A finding where a container would start as root, or as a user that nobody can tell."""
    user = str((config.get("config") or {}).get("User") or "")
    name = user.partition(":")[0]
    number = int(name) if name.isascii() and name.isdigit() else _numbers(root).get(name)
    if number is None:
        said = f"the image starts as {name!r}, who is not in its /etc/passwd" if name else "the image names no user"
    elif number == 0 or number > MAXIMUM_USER:
        # A number that is too large for a runtime becomes another one there, and may become 0 (CVE-2024-40635).
        said = f"the image starts as root (USER {user})"
    else:
        return []
    return [_finding(USER, CONFIG, said)]


def secrets(
    files: FileSystem, config: bytes, folder: Path, *, listed: Collection[str], image: str = CONFIG
) -> tuple[list[Finding], int]:
    """What gitleaks finds in the texts of every layer, also in what a later layer hides, and in the configuration,
    which holds the variables and arguments of the build; and how many files were left out as `listed` by a package.

    Args:
        folder: new; each layer gets a folder in it.
        listed: digests, hexadecimal, of files that need no look.

    Raises:
        ToolFailedError: gitleaks is missing, failed, or passed over a file.
    """
    texts = [entry for entry in files.entries if entry.text]
    looked = [entry for entry in texts if entry.sha256 not in listed and entry.md5 not in listed]
    laid = _laid(looked)
    lay_out(laid, folder)
    (folder / image).write_bytes(config)
    found = gitleaks.check_tree(folder, allow_suppressions=False)
    named = [replace(one, file=f"layer-{laid[one.file].layer}/{laid[one.file].path}" if one.file in laid else one.file)
             for one in found]  # fmt: skip
    return named, len(texts) - len(looked)


def _laid(texts: Sequence[Entry]) -> dict[str, Entry]:
    """Each text by a name of its own, also where a layer holds two of one name.

    gitleaks passes over Python's folders (`lib/python3.11`, `venv/lib`) by their names, for it takes what lies there
    for other people's. In an image that is where one's own code is installed: it is laid out without these names.
    """
    found: dict[str, Entry] = {}
    folders: dict[str, int] = {}
    for entry in texts:
        name = entry.path
        if inside := _SITE.fullmatch(entry.path):
            name = f"packages-{folders.setdefault(inside[1], len(folders))}/{inside[2]}"
        name = f"layer-{entry.layer}/{name}"
        found[f"again-{len(found)}/{name}" if name in found else name] = entry
    return found


def looked_at(found: Sequence[Finding]) -> dict[str, int]:
    """How many findings there are by rule."""
    return {rule: sum(one.rule == rule for one in found) for rule in sorted({one.rule for one in found})}


def _numbers(root: Mapping[str, Entry]) -> dict[str, int]:
    """User names of the image's /etc/passwd. Of several lines with a name the first one counts for most; here the
    lowest number does, and what is no number is 0, as runtimes have it (moby/sys, user.parseLine)."""
    entry = root.get("etc/passwd")
    if entry is None or entry.content is None or entry.size > MAXIMUM_PASSWD:
        return {}
    found: dict[str, int] = {}
    # Only a line feed ends a line: splitlines() would see further ends, and so other users than a runtime does.
    for line in entry.content.read_text(encoding="utf-8", errors="replace").split("\n"):
        fields = line.strip().split(":")
        if len(fields) > 2:
            number = int(fields[2]) if fields[2].isascii() and fields[2].isdigit() else 0
            found[fields[0]] = min(number, found.get(fields[0], number))
    return found


def _finding(rule: str, path: str, message: str) -> Finding:
    return Finding(tool=FILES_TOOL, rule=rule, file=path, line=1, message=message)
