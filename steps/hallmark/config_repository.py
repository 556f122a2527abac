"""The configuration repository: read one file of a branch, commit one changed file, push without force.

There is no checkout: the new tree is the old one with one entry replaced, so nothing else can change, and no file of
the repository is ever followed, filtered or run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.delivery import Delivery, parse
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.tools.git import Git

REGULAR = ("100644", "100755")


@dataclass(frozen=True, kw_only=True)
class ConfigRepository:
    """A branch of the configuration repository; `folder` is an empty folder of our own."""

    git: Git
    url: str
    branch: str
    folder: Path

    @property
    def bare(self) -> Path:
        return self.folder / "config.git"

    def fetch(self) -> str:
        """The branch's head as the server has it now.

        Raises:
            BadInputError: there is no such branch.
            ToolFailedError: the server does not answer or does not let us in.
        """
        if not self.bare.exists():
            if not self.git.answers("check-ref-format", f"refs/heads/{self.branch}", repository=self.bare):
                raise BadInputError(f"{self.branch!r} is no name of a branch", solution="give e.g. main")
            self.git.run("init", "--quiet", "--bare", str(self.bare))
            self.git.run("remote", "add", "origin", self.url, repository=self.bare)
        ref = f"refs/heads/{self.branch}"
        arguments = ("fetch", "--quiet", "--no-tags", "--filter=blob:none", "origin", f"+{ref}:refs/heads/fetched")
        try:
            self.git.run(*arguments, repository=self.bare)
        except ToolFailedError:
            asked = self.git.run("ls-remote", "--exit-code", "origin", ref, repository=self.bare, accept=None)
            if asked.exit_code == 2:
                raise BadInputError(
                    f"the configuration repository has no branch {self.branch}",
                    solution="check config-branch, or push a first commit to it",
                ) from None
            raise
        return self.git.text("rev-parse", "refs/heads/fetched", repository=self.bare)

    def read(self, head: str, path: str) -> tuple[str, str]:
        """Mode and text of the file `path` in the commit `head`.

        Raises:
            BadInputError: no regular file is there (a link is none), or it is not UTF-8.
        """
        listed = self.git.text("ls-tree", "-z", head, "--", path, repository=self.bare).rstrip("\0")
        mode, kind, blob = listed.partition("\t")[0].split(" ") if listed else ("", "", "")
        if kind != "blob" or mode not in REGULAR:
            what = "is a link" if mode == "120000" else "is a folder" if kind == "tree" else "does not exist"
            raise BadInputError(
                f"{path} {what} on branch {self.branch} of the configuration repository",
                solution="give the path of the kustomization itself",
            )
        # Not from git's output: that is decoded as text, and loses which line ends the file has.
        unpacked = self.folder / self.git.text("unpack-file", blob, repository=self.bare, cwd=self.folder)
        try:
            return mode, unpacked.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadInputError(f"{path} is not UTF-8 text", solution="save it as UTF-8") from error
        finally:
            unpacked.unlink()

    def last_delivery(self, head: str, path: str, name: str) -> Delivery | None:
        """The last delivery of the image `name` that `head` or a commit before it recorded in `path`."""
        arguments = ("log", "-z", "--full-history", "--topo-order", "--format=%H%n%B", head, "--", path)
        for entry in self.git.text(*arguments, repository=self.bare).split("\0"):
            commit, _, text = entry.strip().partition("\n")
            delivery = parse(commit, text, name)
            if delivery is not None:
                return delivery
        return None

    def commit(self, head: str, path: str, mode: str, text: str, message: str) -> str:
        """A new commit on `head` in which the file `path` has the content `text`, and nothing else changed."""
        file, index = self.folder / "edited", self.folder / "index"
        file.write_bytes(text.encode())
        index.unlink(missing_ok=True)
        git, bare = self.git.with_index(index), self.bare
        blob = git.text("hash-object", "-w", "--no-filters", "--", str(file), repository=bare)
        git.run("read-tree", head, repository=bare)
        git.run("update-index", "--cacheinfo", f"{mode},{blob},{path}", repository=bare)
        tree = git.text("write-tree", "--missing-ok", repository=bare)
        made = git.run("commit-tree", tree, "-p", head, repository=bare, stdin=message).stdout.strip()
        changed = git.text("diff-tree", "-r", "-z", "--no-renames", "--name-status", head, made, repository=bare)
        if changed.split("\0") != ["M", path, ""]:
            raise AssertionError(f"the commit changes more than {path}: {changed!r}")
        return made

    def push(self, commit: str, base: str) -> bool:
        """Push `commit`, made on `base`. False if somebody else pushed in between: make it anew on the fresh head.

        What happened is read off the branch and not off git's words, which differ between servers and versions.

        Raises:
            ToolFailedError: the server does not take the commit though the branch still stands at `base`.
        """
        arguments = ("push", "--quiet", "--no-verify", "origin", f"{commit}:refs/heads/{self.branch}")
        pushed = self.git.run(*arguments, repository=self.bare, accept=None)
        if pushed.exit_code == 0:
            return True
        head = self.fetch()
        if self.git.answers("merge-base", "--is-ancestor", commit, head, repository=self.bare):
            return True
        if head != base:
            return False
        told = " | ".join(line for line in pushed.stderr.splitlines() if line.startswith("remote:"))[:600]
        raise ToolFailedError(
            f"the configuration repository did not take the commit: {told or pushed.last_words}",
            solution=f"let the credential push to {self.branch}, or see what its hooks and branch protection ask for",
        )
