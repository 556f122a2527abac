"""Tries everything that code of a model's repository must not be able to do, and says what it tried and what it got.

The scenario fails if a line "HOSTILE got ..." appears anywhere, or if the lines "HOSTILE tried ..." do not.
"""

import os
import pathlib
import signal
import socket
import sys
import time

FORGED = "sha256:" + "0" * 64
SECRETS = {"cosign.key", "cosign.password", "policies", "config.json", "labels.parquet", "training.parquet"}
SECRETS |= {"independent.csv", "verdict.json", "ssh-privatekey"}


def tell(verb: str, what: str) -> None:
    os.write(1, f"HOSTILE {verb} {what}\n".encode())


def everything() -> None:
    read_secrets()
    reach_the_network()
    write_elsewhere()
    look_into_other_processes()
    leave_something_behind()


def read_secrets() -> None:
    tell("tried", "to find keys, labels and credentials")
    for top in ("/workspace", "/tekton", "/var", "/home", "/run", "/tmp", "/root", "/mnt"):
        for folder, _folders, files in os.walk(top):
            for name in SECRETS.intersection(files):
                try:
                    pathlib.Path(folder, name).read_bytes()
                    tell("got", f"the file {folder}/{name}")
                except OSError:
                    pass
    for name in os.environ:
        if any(word in name.upper() for word in ("COSIGN", "PASSWORD", "TOKEN", "SECRET")):
            tell("got", f"the variable {name}")


def reach_the_network() -> None:
    tell("tried", "to reach what listens on the loopback")
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            for line in pathlib.Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    listening.add(int(fields[1].rsplit(":", 1)[1], 16))
        except OSError:
            pass
    for port in sorted(listening)[:50]:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            tell("got", f"a connection to port {port}")
        except OSError:
            pass


def write_elsewhere() -> None:
    tell("tried", "to write to other folders, reports and results")
    targets = [folder / "forged" for folder in pathlib.Path("/workspace").glob("*")]
    targets += list(pathlib.Path("/workspace/report").glob("*")) + [pathlib.Path("/workspace/report/test-code.json")]
    targets += [pathlib.Path("/tekton/results", name) for name in ("report-digest", "model-digest", "features-digest")]
    targets += [pathlib.Path("/tekton/termination"), pathlib.Path("/tekton/steps/forged")]
    for target in targets:
        try:
            target.write_text(FORGED)
        except OSError:
            continue
        tell("got", f"{target} written")


def look_into_other_processes() -> None:
    """Of those that are not its own: what it started itself has the same environment."""
    tell("tried", "to read the environment and the memory of the step that started this")
    own = pathlib.Path("/proc/self/environ").read_bytes()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            environment = b""
        if environment == own:
            continue
        if environment:
            tell("got", f"the environment of process {process.name}")
        try:
            os.close(os.open(process / "mem", os.O_RDWR))
            tell("got", f"the memory of process {process.name}")
        except OSError:
            pass


def leave_something_behind() -> None:
    """A daemon that goes on after the step's child has ended, and forges what the step writes."""
    tell("tried", "to leave a process behind that forges results later")
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for _ in range(200):
        time.sleep(0.05)
        for target in ("/tekton/results/report-digest", "/tekton/results/model-digest"):
            try:
                pathlib.Path(target).write_text(FORGED)
                tell("got", f"{target} written late")
            except OSError:
                pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(everything())
