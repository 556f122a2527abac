"""Gitea: the git server of the cluster, whose webhooks start deliveries.

It is a process of the node, as a company's git server is none of its cluster. It is built without its web page's
scripts and styles, which come from npm: pages are plain, and the API, git and webhooks are whole.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import secrets
from pathlib import Path

from cluster import daemons
from cluster.daemons import Daemon
from cluster.forge import Forge, token
from cluster.network import listens_inside
from cluster.places import FORWARDED, GIT, GIT_PORT, NODE_ADDRESS, PROGRAMS, SERVICE_RANGE, SOURCES, STATE
from hallmark.files import write_text
from hallmark.process import Completed, run

FOLDER = STATE / "gitea"
ROOT_URL = f"http://{GIT}/"
ADMIN = "forge-admin"
STARTS_WITHIN = 60.0
"""Seconds; the first start makes the database."""

# It runs as root on the node, as all of the one-machine cluster does; Gitea wants to be told that this is known.
ENVIRONMENT = {"GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true", "HOME": str(FOLDER), "USER": "root"}


def start() -> None:
    """Start Gitea, unless it runs, and have its administrator; repositories are those of the last time.

    Raises:
        ToolFailedError: its program or its sources are missing, or it does not come up.
    """
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    if daemons.running("gitea") is None:
        _write_secret(_settings_file(), settings(FOLDER, _static_files(), _keys()))
    argv = [str(PROGRAMS / "gitea"), "web", f"--config={_settings_file()}"]
    Daemon(name="gitea", argv=argv, env=ENVIRONMENT).start(lambda: listens_inside(GIT_PORT), seconds=STARTS_WITHIN)
    ensure_admin()


def stop() -> bool:
    """End Gitea; False if it did not run."""
    return daemons.stop("gitea")


def ensure_admin() -> None:
    """Have the administrator :data:`ADMIN` and a token of theirs, which only :func:`forge` reads.

    Nobody knows the password: Gitea makes it and prints it to nobody. Its database has to be there.
    """
    if _admin_token().exists():
        return
    if ADMIN not in _gitea("admin", "user", "list", "--admin").stdout.split():
        mail = f"--email={ADMIN}@hallmark.invalid"
        _gitea("admin", "user", "create", "--admin", f"--username={ADMIN}", mail, "--random-password")
    # A token's name may be used once; the file of an earlier one may have been lost.
    name = f"--token-name=cluster-{secrets.token_hex(4)}"
    made = _gitea("admin", "user", "generate-access-token", f"--username={ADMIN}", name, "--scopes=all", "--raw")
    # Its complaint about the root user may stand before it.
    _write_secret(_admin_token(), made.stdout.split()[-1])


def forge() -> Forge:
    """Gitea's API as the administrator, for processes of this machine."""
    return Forge(host="127.0.0.1", port=FORWARDED[GIT_PORT], authorization=token(_admin_token().read_text()))


def settings(folder: Path, static: Path, keys: dict[str, str]) -> str:
    """Gitea's app.ini: git over HTTP, the API and webhooks; no mail, no registration, no SSH, nothing from outside.

    Args:
        folder: of its data.
        static: holds its templates and translations.
        keys: its own secrets, by name.
    """
    sections = {
        "": {"APP_NAME": "Hallmark's git server", "RUN_MODE": "prod", "RUN_USER": "root", "WORK_PATH": str(folder)},
        "server": {
            "PROTOCOL": "http",
            "HTTP_ADDR": NODE_ADDRESS,
            "HTTP_PORT": str(GIT_PORT),
            "ROOT_URL": ROOT_URL,
            "STATIC_ROOT_PATH": str(static),
            "APP_DATA_PATH": str(folder / "data"),
            "DISABLE_SSH": "true",
            "LFS_START_SERVER": "false",
            "OFFLINE_MODE": "true",
        },
        "database": {"DB_TYPE": "sqlite3", "PATH": str(folder / "gitea.db"), "SQLITE_JOURNAL_MODE": "WAL"},
        "repository": {"ROOT": str(folder / "repositories"), "DEFAULT_BRANCH": "main"},
        "security": {
            "INSTALL_LOCK": "true",
            "SECRET_KEY": keys["secret-key"],
            "INTERNAL_TOKEN": keys["internal-token"],
        },
        "service": {"DISABLE_REGISTRATION": "true", "REQUIRE_SIGNIN_VIEW": "true", "ENABLE_NOTIFY_MAIL": "false"},
        # A maker who may edit a webhook must not reach the node's own ports by it: services of the cluster only.
        "webhook": {"ALLOWED_HOST_LIST": SERVICE_RANGE, "DELIVER_TIMEOUT": "10"},
        # Its queues on disk are asked every two seconds, and a push passes through two. Webhooks are kept in the
        # database as well, so that a restart loses none of them.
        "queue": {"TYPE": "channel"},
        "log": {"MODE": "console", "LEVEL": "Warn"},
        "indexer": {"ISSUE_INDEXER_TYPE": "db"},
        **{name: {"ENABLED": "false"} for name in ("actions", "mailer", "oauth2", "packages", "mirror", "federation")},
        "openid": {"ENABLE_OPENID_SIGNIN": "false", "ENABLE_OPENID_SIGNUP": "false"},
        "cron.update_checker": {"ENABLED": "false"},
        "picture": {"DISABLE_GRAVATAR": "true"},
    }
    top = "".join(f"{name} = {value}\n" for name, value in sections.pop("").items())
    ini = configparser.ConfigParser(interpolation=None)
    ini.optionxform = str  # type: ignore[assignment,method-assign]
    ini.read_dict(sections)
    text = io.StringIO()
    ini.write(text)
    return f"{top}\n{text.getvalue()}"


def _keys() -> dict[str, str]:
    """The secrets that Gitea encrypts its own with; made once, because a new one could not read the old ones' data."""
    file = FOLDER / "keys.json"
    if not file.exists():
        _write_secret(file, json.dumps({name: secrets.token_hex(32) for name in ("secret-key", "internal-token")}))
    kept: dict[str, str] = json.loads(file.read_text())
    return kept


def _static_files() -> Path:
    """Gitea's templates and translations: they are in its sources, in Go's module cache."""
    download = ["go", "mod", "download", "-json", "code.gitea.io/gitea"]
    found = json.loads(run(download, cwd=SOURCES / "gitea", env=os.environ, timeout=300).stdout)
    return Path(found["Dir"])


def _gitea(*arguments: str) -> Completed:
    argv = [str(PROGRAMS / "gitea"), *arguments, f"--config={_settings_file()}"]
    return run(argv, env=ENVIRONMENT, timeout=60)


def _settings_file() -> Path:
    return FOLDER / "app.ini"


def _admin_token() -> Path:
    return FOLDER / "admin-token"


def _write_secret(file: Path, text: str) -> None:
    """FOLDER is this user's alone, so nobody sees the file before its mode is set."""
    write_text(file, text)
    file.chmod(0o600)
