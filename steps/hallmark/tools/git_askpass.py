"""Answers git's question for a user name or password from a mounted Secret (`GIT_ASKPASS`, gitcredentials(7)).

Called by git as `... FOLDER ORIGIN PROMPT`. The secret goes through this process's output only: never through an
argument, a URL or an environment variable. It is told to `ORIGIN` alone, so that a server which redirects to
another host learns nothing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

QUESTION = re.compile(
    r"""^(?P<what>Username|Password) for (?P<quote>['"])(?P<scheme>[a-z]+)://"""
    r"""(?:[^/@'"]*@)?(?P<host>[^/@'"]+)(?:/[^'"]*)?(?P=quote)"""
)
"""git puts the URL into single quotes, git-lfs into double ones."""


def answer(folder: Path, origin: str, prompt: str) -> str | None:
    """The user name or password that `prompt` asks for; None if it is not `origin` (scheme://host) that asks."""
    question = QUESTION.match(prompt)
    if question is None or f"{question['scheme']}://{question['host']}" != origin:
        return None
    name = "username" if question["what"] == "Username" else "password"
    return (folder / name).read_text(encoding="utf-8").rstrip("\r\n")


def main() -> int:
    """The command line; exit code 1 where there is no answer."""
    folder, origin, prompt = sys.argv[1:4]
    found = answer(Path(folder), origin, prompt)
    if found is None:
        print("the credential belongs to another server", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
