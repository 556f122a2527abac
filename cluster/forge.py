"""Gitea's API: people, organisations, repositories, tokens and webhooks. Every call may be repeated."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from cluster.errors import ClusterError

TIMEOUT = 30.0
LARGEST_ANSWER = 4_000_000
"""Bytes; nothing that is asked for here comes near."""

Permission = Literal["read", "write"]


class NotFoundError(ClusterError):
    """The API answered 404: no such thing, or none that this user may see."""


@dataclass(frozen=True, kw_only=True)
class Forge:
    """Gitea at an address, as seen by one of its users."""

    host: str
    port: int
    authorization: str = field(repr=False)
    """The whole value of the header; see :func:`token` and :func:`password`."""

    def as_user(self, authorization: str) -> Forge:
        """The same Gitea for another user."""
        return Forge(host=self.host, port=self.port, authorization=authorization)

    def ensure_user(self, name: str, password: str) -> None:
        """Have a user with this password who sees nothing but what is given to them; administrators may do this."""
        account = {"password": password, "must_change_password": False, "restricted": True, "visibility": "private"}
        if self._exists(f"/users/{quote(name)}"):
            self.ask("PATCH", f"/admin/users/{quote(name)}", {**account, "login_name": name, "source_id": 0})
        else:
            mail = f"{name}@hallmark.invalid"
            self.ask("POST", "/admin/users", {**account, "username": name, "email": mail})

    def ensure_organisation(self, name: str) -> None:
        """Have an organisation that only its members see."""
        if not self._exists(f"/orgs/{quote(name)}"):
            self.ask("POST", "/orgs", {"username": name, "visibility": "private"})

    def ensure_repository(self, repository: str, *, branch: str = "main") -> None:
        """Have a private, possibly empty repository `<organisation>/<name>`."""
        owner, _, name = repository.partition("/")
        if not self._exists(_repository(repository)):
            what = {"name": name, "private": True, "auto_init": False, "default_branch": branch}
            self.ask("POST", f"/orgs/{quote(owner)}/repos", what)

    def allow(self, repository: str, user: str, permission: Permission) -> None:
        """Let a user read a repository or push to it; it replaces what the user was allowed before."""
        self.ask("PUT", f"{_repository(repository)}/collaborators/{quote(user)}", {"permission": permission})

    def protect(self, repository: str, branch: str, pushers: Sequence[str]) -> None:
        """Let only `pushers` push to a branch, and nobody rewrite or delete it."""
        rule = {
            "enable_push": True,
            "enable_push_whitelist": True,
            "push_whitelist_usernames": list(pushers),
            "enable_force_push": False,
        }
        rules = f"{_repository(repository)}/branch_protections"
        if self._exists(f"{rules}/{quote(branch, safe='')}"):
            self.ask("PATCH", f"{rules}/{quote(branch, safe='')}", rule)
        else:
            self.ask("POST", rules, {**rule, "rule_name": branch})

    def new_token(self, user: str, password: str, name: str, scopes: Sequence[str]) -> str:
        """A new access token of `user`, instead of the one of the same name; Gitea shows a token only once.

        Args:
            scopes: such as `read:repository`. They narrow what the token may do of what its user may do.
        """
        own = self.as_user(basic(user, password))
        tokens = f"/users/{quote(user)}/tokens"
        with contextlib.suppress(NotFoundError):
            own.ask("DELETE", f"{tokens}/{quote(name)}")
        return str(own.ask("POST", tokens, {"name": name, "scopes": list(scopes)})["sha1"])

    def ensure_webhook(self, repository: str, url: str, secret: str) -> int:
        """Have exactly one webhook, which tells `url` of each push and signs with `secret`; its number."""
        config = {"url": url, "content_type": "json", "secret": secret}
        what = {"config": config, "events": ["push"], "active": True}
        hooks = f"{_repository(repository)}/hooks"
        known = [int(hook["id"]) for hook in self.ask("GET", hooks)]
        for number in known[1:]:
            self.ask("DELETE", f"{hooks}/{number}")
        if known:
            self.ask("PATCH", f"{hooks}/{known[0]}", what)
            return known[0]
        return int(self.ask("POST", hooks, {**what, "type": "gitea"})["id"])

    def send_again(self, repository: str, webhook: int) -> None:
        """Have a webhook tell once more of the head of the repository's main branch."""
        self.ask("POST", f"{_repository(repository)}/hooks/{webhook}/tests")

    def has_commits(self, repository: str, branch: str = "main") -> bool:
        """Whether anything was ever pushed to a branch."""
        return self._exists(f"{_repository(repository)}/branches/{quote(branch, safe='')}")

    def head(self, repository: str, branch: str = "main") -> str:
        """The commit that a branch is at."""
        return str(self.ask("GET", f"{_repository(repository)}/branches/{quote(branch, safe='')}")["commit"]["id"])

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, raw: bool = False) -> Any:
        """One call of the API, `path` without its `/api/v1`; the answer's JSON (`raw`: text), or None if it is empty.

        Raises:
            NotFoundError: the answer is 404.
            ClusterError: any other refusal, or none within :data:`TIMEOUT` seconds.
        """
        headers = {"Authorization": self.authorization, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            answer = response.read(LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(
                f"Gitea at {self.host}:{self.port} does not answer {method} {path}: {error}",
                solution="see its log, and whether `make cluster-up` ended well",
            ) from error
        finally:
            connection.close()
        if response.status >= 300:
            # The body that was sent is not shown: it may hold a password.
            kind = NotFoundError if response.status == 404 else ClusterError
            raise kind(
                f"Gitea answers {response.status} to {method} {path}: {answer[:300].decode(errors='replace')}",
                solution="check the names, and what this user may do",
            )
        if raw:
            return answer.decode()
        return json.loads(answer) if answer else None

    def _exists(self, path: str) -> bool:
        try:
            self.ask("GET", path)
        except NotFoundError:
            return False
        return True


def token(value: str) -> str:
    """The authorization of an access token."""
    return f"token {value}"


def basic(user: str, password: str) -> str:
    """The authorization of a user's own password, which Gitea wants before it makes a token."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _repository(name: str) -> str:
    return f"/repos/{quote(name)}"
