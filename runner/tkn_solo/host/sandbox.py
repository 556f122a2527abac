"""The sandbox of a step: its bubblewrap arguments. Pure but for a look at which host folders exist."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RANDOM_UID = 1000650000
HOME = "/tekton/home"
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_ETC_FOLDERS = ("ssl", "alternatives", "containers", "pki", "ca-certificates", "fonts")
_ETC_FILES = ("ld.so.cache", "localtime", "ca-certificates.conf", "mime.types", "services", "protocols")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# What a container runtime hides too: kernel memory, keys, timers. Of /proc/sys nothing may be written: its files
# belong to the machine's root, whose UID a sandbox has if tkn-solo runs as root.
_HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats")
_READ_ONLY = ("/proc/sys", "/proc/fs", "/proc/mtrr", "/proc/acpi", "/proc/scsi", "/proc/sysrq-trigger")


@dataclass(frozen=True)
class Bind:
    """A mount of the sandbox: a path, or a descriptor that is the only safe name of a path tasks may change."""

    source: str | int
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What one step sees and may do.

    `network`: it stays in the network namespace it is started in; `resolver`: it can look up names.
    """

    binds: Sequence[Bind]
    env: Sequence[tuple[str, str]]
    directory: str
    hostname: str
    root: bool
    user: int
    capabilities: frozenset[str]
    network: bool
    resolver: bool
    read_only_root: bool


class Host:
    """The parts of the sandbox that are the same for all steps of a run.

    `folder` is a private folder of the run, in which a small /etc and, for root steps, a /dev are kept.
    """

    def __init__(self, folder: Path, tools: Sequence[Path]) -> None:
        self._folder = folder
        self._tools = tuple(tools)
        folder.mkdir(parents=True, exist_ok=True)
        _make_etc(folder / "etc")
        _make_etc(folder / "etc-network", resolver=True)
        _make_dev(folder / "dev")
        self._usr = tuple(self._system())
        proc = [argument for path in _READ_ONLY if Path(path).exists() for argument in ("--ro-bind", path, path)]
        proc += [argument for path in _HIDDEN if Path(path).exists() for argument in ("--ro-bind", "/dev/null", path)]
        self._proc = ("--proc", "/proc", *proc)
        tool_path = [str(tool / "bin") if (tool / "bin").is_dir() else str(tool) for tool in self._tools]
        self.path = ":".join((*tool_path, *_SYSTEM_PATH))

    def arguments(self, sandbox: Sandbox, info_fd: int) -> list[str]:
        """The options for `bwrap --args`; the command comes after them on the command line."""
        arguments = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        arguments += ["--new-session", "--die-with-parent", "--info-fd", str(info_fd), "--hostname", sandbox.hostname]
        if not sandbox.network:
            arguments.append("--unshare-net")
        if sandbox.root:
            arguments += ["--cap-drop", "ALL"]
            for capability in sorted(sandbox.capabilities):
                arguments += ["--cap-add", f"CAP_{capability}"]
        else:
            arguments += ["--unshare-user", "--disable-userns", "--uid", str(sandbox.user), "--gid", "0"]
        arguments += self._usr
        arguments += self._etc(resolver=sandbox.resolver)
        arguments += self._proc
        # A root step may build images, which needs a /dev without `nodev` and a /sys to pass on.
        arguments += [*self._root_dev(), "--ro-bind", "/sys", "/sys"] if sandbox.root else ["--dev", "/dev"]
        if not sandbox.read_only_root:
            arguments += ["--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/var/tmp"]  # noqa: S108
        else:
            arguments += ["--dir", "/tmp", "--dir", "/var/tmp"]  # noqa: S108
        for tool in self._tools:
            if not _below(str(tool), "/usr"):
                arguments += ["--ro-bind", str(tool), str(tool)]
        arguments += ["--dir", "/tekton", "--perms", "0700", "--tmpfs", HOME, "--dir", "/tekton/creds"]
        for bind in sandbox.binds:
            arguments += _bind(bind)
        if sandbox.read_only_root:
            arguments += ["--remount-ro", "/"]
        arguments += ["--clearenv", "--setenv", "PATH", self.path, "--setenv", "HOME", HOME]
        arguments += ["--setenv", "LANG", "C.UTF-8", "--setenv", "HOSTNAME", sandbox.hostname]
        for name, value in sandbox.env:
            arguments += ["--setenv", name, value]
        return [*arguments, "--chdir", sandbox.directory]

    @staticmethod
    def _system() -> Iterator[str]:
        yield from ("--ro-bind", "/usr", "/usr")
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            path = Path("/") / name
            if path.is_symlink():
                yield from ("--symlink", str(path.readlink()), str(path))
            elif path.is_dir():
                yield from ("--ro-bind", str(path), str(path))

    def _etc(self, *, resolver: bool) -> Iterator[str]:
        yield from ("--ro-bind", str(self._folder / ("etc-network" if resolver else "etc")), "/etc")
        for name in _ETC_FOLDERS:
            if Path("/etc", name).is_dir():
                yield from ("--ro-bind", f"/etc/{name}", f"/etc/{name}")

    def _root_dev(self) -> Iterator[str]:
        yield from ("--dev-bind", str(self._folder / "dev"), "/dev", "--tmpfs", "/dev/shm")  # noqa: S108
        for name in _DEVICES:
            yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")


def _bind(bind: Bind) -> list[str]:
    option = "--ro-bind" if bind.read_only else "--bind"
    return [f"{option}-fd" if isinstance(bind.source, int) else option, str(bind.source), bind.target]


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _make_etc(etc: Path, *, resolver: bool = False) -> None:
    """A small /etc: made-up users, no names of this machine; the resolver's settings only with a network."""
    etc.mkdir(exist_ok=True)
    users = (("root", 0), ("nobody", 65534), ("step", RANDOM_UID))
    (etc / "passwd").write_text("".join(f"{name}:x:{uid}:0::{HOME}:/bin/sh\n" for name, uid in users))
    (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    # An image build maps a range of users; root needs one in a real pod's image too.
    for name in ("subuid", "subgid"):
        (etc / name).write_text("root:1:65535\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    for name in (*_ETC_FILES, *(("resolv.conf",) if resolver else ())):
        if Path("/etc", name).is_file() and not (etc / name).exists():
            shutil.copyfile(Path("/etc", name), etc / name)
    for name in _ETC_FOLDERS:
        (etc / name).mkdir(exist_ok=True)
    if resolver and Path("/etc/hosts").is_file():
        shutil.copyfile("/etc/hosts", etc / "hosts")


def _make_dev(dev: Path) -> None:
    for name in ("pts", "shm"):
        (dev / name).mkdir(parents=True, exist_ok=True)
    for name in _DEVICES:
        (dev / name).touch()
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        if not (dev / name).is_symlink():
            (dev / name).symlink_to(f"/proc/self/{target}")
