"""CoreDNS: the names of services, and those of the registries and of the git server beside the cluster."""

from __future__ import annotations

from typing import Any

from cluster import kubectl
from cluster.control_images import reference
from cluster.places import CANDIDATES, DNS_ADDRESS, DOMAIN, GIT, NODE_ADDRESS, RELEASES

NAMES = " ".join(name.partition(":")[0] for name in (GIT, CANDIDATES, RELEASES))
COREFILE = f"""\
.:5353 {{
  errors
  health :8080
  ready :8181
  hosts /dev/null {DOMAIN} {{
    {NODE_ADDRESS} {NAMES}
  }}
  kubernetes cluster.local in-addr.arpa
  cache 5
}}
"""
"""Nothing is asked of a server elsewhere: the cluster has no way out."""

LABELS = {"app.kubernetes.io/name": "coredns"}


def start() -> None:
    kubectl.apply(*_objects())


def _objects() -> list[dict[str, Any]]:
    place = {"name": "coredns", "namespace": "kube-system"}
    rule = {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"}
    ports = [
        {"name": f"dns-{protocol.lower()}", "port": 53, "targetPort": 5353, "protocol": protocol}
        for protocol in ("UDP", "TCP")
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "coredns"},
            "rules": [rule, slices],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "coredns"},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **place}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": place,
            "spec": {"clusterIP": DNS_ADDRESS, "selector": LABELS, "ports": ports},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": place,
            "spec": {
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod()},
            },
        },
    ]


def _pod() -> dict[str, Any]:
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [
            {
                "name": "coredns",
                "image": reference("coredns"),
                "args": ["-conf", "/etc/coredns/Corefile"],
                "volumeMounts": [{"name": "settings", "mountPath": "/etc/coredns", "readOnly": True}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {
                    "runAsNonRoot": True,
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "volumes": [{"name": "settings", "configMap": {"name": "coredns"}}],
    }
