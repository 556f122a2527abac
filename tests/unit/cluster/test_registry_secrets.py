"""The credentials that the one-machine cluster gives to its tasks."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from cluster import catalog, registry
from cluster.places import CANDIDATES, RELEASES
from hallmark.errors import BadInputError
from hallmark.registry_auth import docker_config, require_plain_http


@pytest.mark.parametrize(
    ("name", "own", "other"), [("candidates", CANDIDATES, RELEASES), ("releases", RELEASES, CANDIDATES)]
)
def test_a_credential_may_go_without_tls_to_its_own_registry_alone(
    name: str, own: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").write_text('{"auths": {}}')
    monkeypatch.setattr(registry, "credential", lambda _: tmp_path / "made")
    held = {one["metadata"]["name"]: one["data"] for one in catalog._registry_secrets()}
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for file, value in held[name].items():
        (mounted / file).write_bytes(base64.b64decode(value))
    with docker_config(mounted) as authfile:
        require_plain_http(f"{own}/{name}/iris", authfile)
        with pytest.raises(BadInputError, match="without TLS"):
            require_plain_http(f"{other}/{name}/iris", authfile)
