"""What the cluster's processes are: Debian packages, and Go programs built from the modules below `tools`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.places import PROGRAMS, SOURCES
from laptop import go_tools, packages
from laptop.console import Say

PACKAGES: Mapping[str, str] = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "docker-registry": "docker-registry",
    "htpasswd": "apache2-utils",
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "nsenter": "util-linux",
    "socat": "socat",
    "openssl": "openssl",
    "tini-static": "tini",
    "git": "git",
}
"""Each command that is run, and the Debian package that brings it."""

PACKAGE_FILES: Mapping[str, str] = {
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/bin/busybox": "busybox-static",
}
"""The same for files that are no commands on PATH."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Programs of one Go module of `tools`: name of the program -> package that is its command."""

    module: str
    commands: Mapping[str, str]
    tags: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """Variables that upstream's own build sets: without its version, Tekton refuses to talk to Kubernetes."""
    cgo: bool = False
    minutes: int = 1
    """How long the build takes on two cores when nothing is cached."""


KUBERNETES = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"]
PIPELINES = ["controller", "webhook", "events", "resolvers", "entrypoint", "nop", "workingdirinit", "sidecarlogresults"]
TRIGGERS = ["controller", "webhook", "eventlistenersink", "interceptors"]

TKN_VERSION = "github.com/tektoncd/cli/pkg/cmd/version.clientVersion"
VERSIONS = "k8s.io/component-base/version"
SOURCES_OF_PROGRAMS = [
    Source(
        module="kubernetes",
        commands={name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES},
        values={f"{VERSIONS}.gitVersion": "v1.34.4", f"{VERSIONS}.gitMajor": "1", f"{VERSIONS}.gitMinor": "34"},
        minutes=9,
    ),
    Source(
        module="tekton",
        commands={f"tekton-pipelines-{name}": f"github.com/tektoncd/pipeline/cmd/{name}" for name in PIPELINES}
        | {f"tekton-triggers-{name}": f"github.com/tektoncd/triggers/cmd/{name}" for name in TRIGGERS},
        minutes=3,
    ),
    Source(module="coredns", commands={"coredns": "github.com/coredns/coredns"}, minutes=2),
    Source(module="local-path", commands={"local-path-provisioner": "github.com/rancher/local-path-provisioner"}),
    Source(
        module="gitea",
        commands={"gitea": "code.gitea.io/gitea"},
        tags="sqlite sqlite_unlock_notify",
        cgo=True,
        minutes=3,
    ),
    Source(module="tkn", commands={"tkn": "./cmd/tkn"}, values={TKN_VERSION: "0.42.0"}, minutes=3),
]


def ensure(say: Say) -> None:
    """Install and build whatever is missing.

    Raises:
        BadInputError: a package is missing that this user cannot install, or there is no Go.
        ToolFailedError: apt-get or a build failed.
    """
    packages.ensure(say, PACKAGES, PACKAGE_FILES)
    missing = [
        (source, name)
        for source in SOURCES_OF_PROGRAMS
        for name in source.commands
        if not go_tools.is_built(SOURCES / source.module, source.commands[name], PROGRAMS / name)
    ]
    if missing:
        minutes = sum(source.minutes for source in {source.module: source for source, _ in missing}.values())
        say(f"building {len(missing)} programs from source (up to {minutes} minutes, once)")
    for number, (source, name) in enumerate(missing, 1):
        say(f"  {number}/{len(missing)} {name}")
        go_tools.build(
            SOURCES / source.module,
            source.commands[name],
            PROGRAMS / name,
            tags=source.tags,
            cgo=source.cgo,
            values=source.values,
        )


def program(name: str) -> Path:
    """The absolute path of a program that :func:`ensure` built."""
    return PROGRAMS / name
