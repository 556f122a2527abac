from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.process import run
from laptop import clean, registry
from laptop.errors import LaptopError

NOBODY = f"sha256:{'0' * 64}"


@pytest.fixture
def candidates(tmp_path):
    with registry.running(tmp_path / "candidates") as found:
        yield found


def image(tmp_path):
    """A minimal OCI layout, made without any tool: one empty configuration, no layer."""
    from hashlib import sha256

    layout = tmp_path / "layout"
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: object) -> dict[str, object]:
        data = json.dumps(content).encode()
        digest = sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    config = put({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    kind = "application/vnd.oci.image"
    manifest = put(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {"mediaType": f"{kind}.config.v1+json", **config},
            "layers": [],
        }
    )
    index = {"schemaVersion": 2, "manifests": [{"mediaType": f"{kind}.manifest.v1+json", **manifest}]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout, str(manifest["digest"])


def push(layout, target, auth_file):
    argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-authfile", str(auth_file)]
    run([*argv, f"oci:{layout}", f"docker://{target.address}/some/model:1"], timeout=60)


def status(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/v2/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_pushed_image_is_held_and_survives_a_restart_on_the_same_port(tmp_path):
    layout, digest = image(tmp_path)
    with registry.running(tmp_path / "candidates") as first:
        assert not first.holds("some/model", digest)
        push(layout, first, first.auth_file)
        assert first.holds("some/model", digest)
        assert not first.holds("some/model", NOBODY)
        credential = first.auth_file.read_text()
    with registry.running(tmp_path / "candidates") as second:
        assert second == first
        assert second.auth_file.read_text() == credential
        assert second.holds("some/model", digest)


def test_nobody_is_let_in_without_the_credential(candidates):
    assert status(candidates.port, {}) == 401
    assert status(candidates.port, {"Authorization": "Basic aGFsbG1hcms6aGFsbG1hcms="}) == 401


def test_the_credential_of_one_registry_is_not_good_for_another(tmp_path, candidates):
    layout, _ = image(tmp_path)
    with registry.running(tmp_path / "releases") as releases:
        forged = tmp_path / "config.json"
        entry = json.loads(candidates.auth_file.read_text())["auths"][candidates.address]
        forged.write_text(json.dumps({"auths": {releases.address: entry}}))
        with pytest.raises(ToolFailedError, match=r"(?i)authentication required|unauthorized"):
            push(layout, releases, forged)


def test_an_image_cannot_be_deleted(tmp_path, candidates):
    layout, digest = image(tmp_path)
    push(layout, candidates, candidates.auth_file)
    argv = ["skopeo", "delete", "--tls-verify=false", "--authfile", str(candidates.auth_file)]
    with pytest.raises(ToolFailedError):
        run([*argv, f"docker://{candidates.address}/some/model:1"], timeout=60)
    assert candidates.holds("some/model", digest)


def test_starting_a_running_registry_gives_the_same_one(tmp_path, candidates):
    pid = candidates.pid_file.read_text()
    assert registry.start(tmp_path / "candidates") == candidates
    assert candidates.pid_file.read_text() == pid


def test_a_registry_outlives_the_process_that_started_it_and_clean_ends_it(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "state"
    program = f"from pathlib import Path; from laptop import registry; registry.start(Path({str(folder / 'r')!r}))"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    port = registry.start(folder / "r").port
    assert status(port, {}) == 401
    monkeypatch.setattr(sys, "argv", ["laptop.clean", str(folder)])
    clean.main()
    assert capsys.readouterr().out == f"ended the registry of {folder / 'r'}\n"
    with pytest.raises(ConnectionRefusedError):
        status(port, {})
    assert not folder.exists()


def test_stopping_what_does_not_run_says_so(tmp_path):
    with registry.running(tmp_path / "candidates"):
        pass
    assert registry.stop(tmp_path / "candidates") is False


def test_a_stranger_with_the_registrys_process_number_is_left_alone(tmp_path):
    folder = tmp_path / "candidates"
    folder.mkdir()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (folder / "registry.pid").write_text(f"{stranger.pid}\n")
            assert registry.stop(folder) is False
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_port_that_is_taken_is_bad_input(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=f"something else listens on 127.0.0.1:{port}"):
            registry.start(tmp_path / "candidates", port=port)


def test_another_port_restarts_it_there(tmp_path, candidates):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    moved = registry.start(tmp_path / "candidates", port=free)
    assert moved.port == free
    assert not moved.holds("some/model", NOBODY)


def test_a_registry_that_ends_at_once_is_an_error_with_its_last_words(fake, tmp_path):
    fake("docker-registry", "echo the disk is full >&2; exit 1")
    with pytest.raises(LaptopError, match="does not answer: the disk is full"):
        registry.start(tmp_path / "candidates")


def test_secrets_are_their_owners_alone(candidates):
    files = [candidates.auth_file, candidates.settings, candidates.directory / "htpasswd"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    password = json.loads(candidates.auth_file.read_text())["auths"][candidates.address]["auth"]
    assert password not in (candidates.directory / "htpasswd").read_text()
