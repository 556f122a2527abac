"""Names, addresses and folders of the one-machine cluster: what its parts have to agree on.

There is one such cluster on a machine. Everything in it has an address in its network namespace; whoever is outside
reaches four of its services through forwarders on the loopback.
"""

from __future__ import annotations

from pathlib import Path

from laptop.setup import ROOT, TOOLS

SOURCES = ROOT / "tools"
PROGRAMS = TOOLS / "cluster" / "bin"
"""Kubernetes, Tekton, Gitea and CoreDNS, built from the Go modules below `tools`."""

STATE = Path("/var/lib/hallmark-cluster")
"""All data, logs and credentials. Short, because socket paths below it may have no more than 107 bytes."""

LOGS = STATE / "logs"
KUBECONFIG = STATE / "kubeconfig"
"""For processes inside the namespace; reaches the API server at the node's address."""

USER_KUBECONFIG = ROOT / ".hallmark" / "cluster" / "kubeconfig"
"""For everybody else on this machine: through the forwarder on the loopback."""

NETWORK_NAMESPACE = "hallmark"
NODE = "hallmark"
NODE_ADDRESS = "10.231.0.1"
POD_RANGE, SERVICE_RANGE = "10.232.0.0/16", "10.233.0.0/16"
API_SERVICE_ADDRESS, DNS_ADDRESS = "10.233.0.1", "10.233.0.10"
API_PORT = 6443

DOMAIN = "hallmark.test"
"""Services beside Kubernetes are names of this domain; all of them are the node's address."""

GIT_PORT, CANDIDATES_PORT, RELEASES_PORT = 3000, 5000, 5001
GIT = f"git.{DOMAIN}:{GIT_PORT}"
CANDIDATES = f"candidates.{DOMAIN}:{CANDIDATES_PORT}"
RELEASES = f"releases.{DOMAIN}:{RELEASES_PORT}"
"""The two registries, as images are named inside the cluster. Plain HTTP: they are not reachable from elsewhere."""

FORWARDED = {API_PORT: 16443, GIT_PORT: 13000, CANDIDATES_PORT: 15000, RELEASES_PORT: 15001}
"""Port in the namespace -> port on this machine's 127.0.0.1."""

PIPELINES_NAMESPACE = "hallmark"
"""Where the catalog is installed and its runs live."""
