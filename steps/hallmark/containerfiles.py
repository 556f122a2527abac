"""Which images a Containerfile takes something from: `FROM`, `COPY --from`, `RUN --mount=from`.

It is read as Buildah and Docker read it (Dockerfile reference: parser directives, heredocs; imagebuilder's
`dockerfile/parser`). Their versions differ, in what a heredoc is and in what continues a line: what one of them would
take for an instruction counts, so that rather too much is found than too little. What is read here tells an author
early what would be refused; what an image is really built on is read from its layers (`hallmark.base_images`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile, takewhile
from pathlib import Path

from hallmark.errors import BadInputError

BASE = ("$BASE_IMAGE", "${BASE_IMAGE}")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*", re.IGNORECASE)
_ANY_ESCAPE = re.compile(r"#\s*escape\s*=.*", re.IGNORECASE)
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_]\w*)\2")
_HEREDOC_WORD = re.compile(r"(?:^|(?<=\s))\d*<<-?[^\s<]\S*")
_PLAIN_HEREDOC = re.compile(r"\d*<<-?([\"']?)[A-Za-z_]\w*\1")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_STAGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_MOUNTED = re.compile(r"(?:^|[,\s=])from=([^,\s]*)", re.IGNORECASE)


def in_context(folder: Path, name: str, *, generated: str) -> Path:
    """The Containerfile of the build's context, in which it is as Buildah gets it: what is checked is what is built.

    Args:
        generated: the folder in it that is not the repository's alone.

    Raises:
        BadInputError: it is missing, reached by a link, in that folder, or one that Buildah preprocesses.
    """
    file = folder / name
    if linked := [one for one in (file, *file.parents) if one.is_relative_to(folder / "") and one.is_symlink()]:
        problem = f"{linked[-1].relative_to(folder)} is a link"
    elif not file.is_file():
        problem = "there is no such file"
    elif Path(name).parts[0] == generated:
        problem = f"it is in the folder {generated}, which is for what training writes"
    elif file.suffix == ".in":
        problem = "Buildah runs a preprocessor over a file of that name"
    else:
        return file
    raise BadInputError(
        f"the Containerfile {name} cannot be taken: {problem}",
        solution="commit the Containerfile as a file of its own, and name it as image.containerfile in hallmark.yaml",
    )


def read(containerfile: Path) -> str:
    """Its text, for :func:`other_images`."""
    # Without translation of line ends, which Buildah does not do either.
    return containerfile.read_bytes().decode("utf-8", errors="replace")


def other_images(text: str, base: str) -> list[str]:
    """The images that a Containerfile names beside the base and its own stages, each once, in their order.

    Where it cannot be told what a Buildah would take it for, the doubtful words stand for the image.

    Args:
        base: the base image's reference, which may also stand there as it is.

    >>> other_images("FROM ${BASE_IMAGE} AS one\\nFROM one\\nCOPY --from=docker.io/other /a /b", "x.io/base@sha256:1")
    ['docker.io/other']
    """
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    found = ["a control character"] if _CONTROL.search("\n".join(lines)) else []
    # Line ends of both kinds: whether a heredoc ends at a line then depends on the version.
    if 0 < text.count("\r\n") < text.count("\n") and "<<" in text:
        found.append("lines that end in different ways")
    for escape in _escapes(lines):
        found += _others(lines, escape, base)
    return list(dict.fromkeys(found))


def _others(lines: list[str], escape: str, base: str) -> list[str]:
    names, numbers, found = set[str](), set[str](), list[str]()
    for word, rest, sure in _instructions(lines, escape):
        if word == "FROM":
            taken, stage = _from(rest)
            found += [one for one in taken if not sure or (one not in (*BASE, base) and one not in names)]
            if sure:
                numbers.add(str(len(numbers)))
                names |= {stage} - {""}
        else:
            # ${BASE_IMAGE} only counts in FROM: inside a stage, ENV can give it another value.
            known = {base} | names | numbers if sure else set[str]()
            found += [one for one in _sources(word, rest) if one not in known]
    return found


def _unquoted(text: str) -> str:
    """Without quotes and escapes, which the parser drops inside flags (imagebuilder's `extractBuilderFlags`)."""
    return re.sub(r"[\\`'\"]", "", text)


def _from(rest: str) -> tuple[list[str], str]:
    """What a `FROM` takes, and the name that it gives to its stage, or ""; of anything unusual, all of its words."""

    def flag(word: str) -> bool:
        return _unquoted(word).startswith("--")

    words = rest.split()
    quoted = any(_unquoted(word) != word for word in takewhile(flag, words))
    words = list(dropwhile(flag, words))
    named = len(words) == 3 and words[1].lower() == "as"
    if quoted or not (named or len(words) == 1) or re.search(r"[^\S \t]", rest):
        return [rest or "FROM"], ""
    return [words[0].strip("\"'")], words[2] if named and _STAGE.fullmatch(words[2]) else ""


def _sources(word: str, rest: str) -> list[str]:
    """The images or stages that the flags of an instruction name; what `ONBUILD` holds counts like the instruction."""
    plain = _unquoted(rest)
    found = list[str]()
    if word in ("COPY", "ADD", "ONBUILD"):
        found += [one.removeprefix("--from=") for one in plain.split() if one.startswith("--from=")]
    if word in ("RUN", "ONBUILD") and "--mount" in plain:
        found += _MOUNTED.findall(plain)
        # A variable may hold a `from`.
        found += [one for one in plain.split() if one.startswith("--mount") and "$" in one]
    return [one for one in found if one]


def _instructions(lines: list[str], escape: str) -> Iterator[tuple[str, str, bool]]:
    """Each instruction: its name in capitals, the rest as one line, and whether every Buildah takes it for one."""
    at = 0
    while at < len(lines):
        start = at
        joined, at = _joined(lines, at, escape)
        word, rest = _divided(joined)
        if not word:
            continue
        yield word, rest, True
        # After two escapes, some take the next line for a new one.
        if any(line.rstrip(" \t").endswith(escape * 2) for line in lines[start : at - 1]):
            yield from _doubtful(lines[start + 1 : at], escape)
        if word in ("RUN", "COPY", "ADD", "ONBUILD"):
            for odd in _HEREDOC_WORD.findall(rest):
                if not _PLAIN_HEREDOC.fullmatch(odd):
                    yield "FROM", odd, False
            for dash, _, name in _HEREDOC.findall(rest):
                begin, at = at, _behind(lines, at, name, tabs=bool(dash))
                yield from _doubtful(lines[begin:at], escape)


def _doubtful(lines: list[str], escape: str) -> Iterator[tuple[str, str, bool]]:
    """The instructions that these lines are for a Buildah that does not know them as part of another instruction."""
    at = 0
    while at < len(lines):
        # Every line may be the first one.
        word, rest = _divided(_joined(lines, at, escape)[0])
        if word:
            yield word, rest, False
        at += 1


def _divided(instruction: str) -> tuple[str, str]:
    word, *rest = instruction.split(maxsplit=1) or [""]
    # Go lowers a dotted capital I to an i.
    return word.upper().replace("\u0130", "I"), "".join(rest)


def _escapes(lines: list[str]) -> list[str]:
    """What continues a line: both, where it depends on the version whether a directive counts."""
    if lines and (found := _ESCAPE.fullmatch(lines[0].strip())):
        # Given again, it is an error.
        return [found[1]]
    head = takewhile(lambda line: line.strip().startswith("#") or not line.strip(), lines)
    return ["\\", "`"] if any(_ANY_ESCAPE.fullmatch(line.strip()) for line in head) else ["\\"]


def _joined(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """The instruction that begins at a line, and the number of the line behind it. Comments in between do not count."""
    joined = ""
    while at < len(lines):
        line = lines[at].rstrip(" \t")
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
    """The line behind a heredoc's end. One without an end counts for none: its lines are instructions."""
    ends = (
        number for number in range(at, len(lines)) if (lines[number].lstrip("\t") if tabs else lines[number]) == name
    )
    return next(ends, at - 1) + 1
