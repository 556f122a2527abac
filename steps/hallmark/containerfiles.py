"""Which images a Containerfile takes something from: `FROM`, `COPY --from`, `RUN --mount=from`.

It is read as Buildah and Docker read it (Dockerfile reference: parser directives, heredocs). What is read here tells an
author early what would be refused; what an image is really built on is read from its layers (`hallmark.base_images`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

BASE = ("$BASE_IMAGE", "${BASE_IMAGE}")
INSTRUCTIONS = frozenset(
    (
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
        *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_]\w*)\2")


def other_images(text: str, base: str) -> list[str]:
    """The images that a Containerfile names beside the base and its own stages, each once, in their order.

    Args:
        base: the base image's reference, which may also stand there as it is.

    >>> other_images("FROM ${BASE_IMAGE} AS one\\nFROM one\\nCOPY --from=docker.io/other /a /b", "x.io/base@sha256:1")
    ['docker.io/other']
    """
    stages: set[str] = set()
    number, found = 0, list[str]()
    for line in _instructions(text):
        word, _, rest = line.partition(" ")
        words = [part.strip("\"'") for part in rest.split()]
        if word == "FROM":
            named = [part for part in words if not part.startswith("--")]
            taken = named[:1]
        else:
            taken = [source for part in words for source in _sources(word, part)]
        found += [one for one in taken if one not in (*BASE, base) and one.lower() not in stages]
        if word == "FROM":
            stages |= {str(number), *([named[2].lower()] if len(named) == 3 else [])}
            number += 1
    return list(dict.fromkeys(found))


def _sources(word: str, flag: str) -> list[str]:
    """The images or stages that a flag of `COPY`, `ADD` or `RUN` names."""
    if word in ("COPY", "ADD") and flag.startswith("--from="):
        return [flag.removeprefix("--from=").strip("\"'")]
    if word == "RUN" and flag.startswith("--mount="):
        options = flag.removeprefix("--mount=").strip("\"'").split(",")
        return [value for key, _, value in (option.partition("=") for option in options) if key == "from"]
    return []


def _instructions(text: str) -> Iterator[str]:
    """Each instruction as one line that begins with its name in capitals and a blank."""
    lines = text.split("\n")
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        joined, at = _joined(lines, at, escape)
        word, *rest = joined.split(maxsplit=1) or [""]
        if not word:
            continue
        yield " ".join([word.upper(), *rest])
        if word.upper() in ("RUN", "COPY", "ADD"):
            for dash, _, name in _HEREDOC.findall(joined):
                at = _behind(lines, at, name, tabs=bool(dash))


def _escape(lines: list[str]) -> str:
    """What continues a line; a directive counts only before anything else that is no directive."""
    for line in lines:
        if found := _ESCAPE.fullmatch(line.strip()):
            return found[1]
        if not re.fullmatch(r"#\s*\w+\s*=.*", line.strip()):
            break
    return "\\"


def _joined(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """The instruction that begins at a line, and the number of the line behind it. Comments in between do not count."""
    joined = ""
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        if line.lstrip().startswith("#") or not line.strip():
            if joined:
                continue
            return "", at
        if not line.endswith(escape):
            return (joined + line).strip(), at
        joined += line.removesuffix(escape)
    return joined.strip(), at


def _behind(lines: list[str], at: int, name: str, *, tabs: bool) -> int:
    """The line behind a heredoc's end. One without an end, or that ends with an instruction's name, counts for none:
    a Buildah that knows no heredocs takes its lines for instructions."""
    if name.upper() in INSTRUCTIONS:
        return at
    ends = (
        number for number in range(at, len(lines)) if (lines[number].lstrip("\t") if tabs else lines[number]) == name
    )
    return next(ends, at - 1) + 1
