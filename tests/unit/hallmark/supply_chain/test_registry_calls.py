"""Registries that fail: real skopeo and cosign on a real registry behind a door that answers as it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hallmark import registry_calls
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.image_reference import Image
from hallmark.process import Completed
from hallmark.registry_auth import docker_config, require_tls_kept
from hallmark.tools import skopeo
from hallmark.tools.buildah import Buildah
from hallmark.tools.cosign import Cosign, PrivateKey, Signer, cosign
from services.faulty_registry import Door, Fault, authority, door
from services.http import serving

from .supply_chain_images import LABELS, Registries, labels_of

BUSY: Fault = (503, "", "")
OFTEN: Fault = (429, "TOOMANYREQUESTS", "too many requests")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_calls, "FIRST_PAUSE", 0.01)


@pytest.fixture
def front(registries: Registries, tmp_path: Path) -> Iterator[Door]:
    """The door to the releases, on plain HTTP."""
    with door(registries.releases, tmp_path / "credential") as found:
        yield found


def pushed(registries: Registries, front: Door) -> Image:
    """An image in the releases, by the name it has through the door."""
    found = registries.push(registries.release)
    return Image(repository=registries.release.replace(registries.releases.address, front.address), digest=found)


def through(credential: Path, image: Image, *, tls_verify: bool = False) -> dict[str, str]:
    with docker_config(credential) as authfile:
        return dict(labels_of(image, skopeo.Registry(authfile=authfile, tls_verify=tls_verify)))


@pytest.mark.parametrize("fault", [OFTEN, BUSY, (500, "UNKNOWN", "unknown error"), "reset"], ids=str)
def test_what_fails_twice_is_asked_again(registries: Registries, front: Door, fault: Fault) -> None:
    image = pushed(registries, front)
    front.fail(2, fault, path="/manifests/")
    assert through(front.credential, image) == LABELS


def test_what_fails_for_ever_is_given_up_after_some_attempts(registries: Registries, front: Door) -> None:
    image = pushed(registries, front)
    front.fail(-1, BUSY, path="/manifests/")
    with pytest.raises(ToolFailedError, match="does not give") as error:
        through(front.credential, image)
    assert "the registry itself fails" in error.value.solution
    assert error.value.exit_code == 3
    # skopeo asks once for each attempt, for the name of the registry alone a few times more.
    assert sum("/manifests/" in path for _, path in front.asked) == registry_calls.ATTEMPTS


def test_no_attempt_begins_after_the_time_is_over(
    registries: Registries, front: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pushed(registries, front)
    monkeypatch.setattr(registry_calls, "PATIENCE", 0.0)
    front.fail(-1, BUSY, path="/manifests/")
    with pytest.raises(ToolFailedError):
        through(front.credential, image)
    assert sum("/manifests/" in path for _, path in front.asked) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((401, "UNAUTHORIZED", "authentication required"), "missing, has expired, or is for another"),
        ((403, "DENIED", "requested access to the resource is denied"), "may not do this"),
        ((404, "MANIFEST_UNKNOWN", "manifest unknown"), "there is no such image"),
    ],
    ids=str,
)
def test_what_will_not_change_is_told_at_once(registries: Registries, front: Door, fault: Fault, said: str) -> None:
    image = pushed(registries, front)
    front.fail(-1, fault, path="/manifests/")
    with pytest.raises(ToolFailedError) as error:
        through(front.credential, image)
    assert said in error.value.solution
    assert sum("/manifests/" in path for _, path in front.asked) == 1


def copy(front: Door, image: Image, target: str) -> None:
    with docker_config(front.credential) as authfile:
        registry = skopeo.Registry(authfile=authfile, tls_verify=False)
        skopeo.copy(image, registry, target, "copied", registry)


def test_layers_that_have_arrived_are_not_sent_again(registries: Registries, front: Door) -> None:
    image = pushed(registries, front)
    target = f"{image.repository}-copy"
    front.fail(1, BUSY, method="PUT", path="/manifests/")
    copy(front, image, target)
    finished = [path for method, path in front.asked if method == "PUT" and "/blobs/uploads/" in path]
    assert len(finished) <= 2, "one layer and one configuration"
    assert sum(method == "PUT" and "/manifests/" in path for method, path in front.asked) == 2


@pytest.mark.parametrize(
    ("fault", "where", "said"),
    [
        ((413, "", ""), "/blobs/uploads/", "takes no more"),
        ((403, "DENIED", "quota has been exceeded"), "/blobs/uploads/", "takes no more"),
        ((404, "BLOB_UNKNOWN", "blob unknown to registry"), "/manifests/copied", "has lost a layer"),
    ],
    ids=str,
)
def test_what_a_push_is_refused_for_is_told(
    registries: Registries, front: Door, fault: Fault, where: str, said: str
) -> None:
    image = pushed(registries, front)
    front.fail(-1, fault, path=where)
    with pytest.raises(ToolFailedError) as error:
        copy(front, image, f"{image.repository}-copy")
    assert said in error.value.solution, error.value.message


def test_cosign_signs_and_verifies_through_a_registry_that_stumbles(registries: Registries, front: Door) -> None:
    image = pushed(registries, front)
    key = PrivateKey(reference=str(registries.key.private), password=registries.key.password.read_text())
    with docker_config(front.credential) as authfile:
        tool = cosign(authfile, tls_verify=False)
        front.fail(2, OFTEN, path="/manifests/")
        tool.sign(image, key, "legacy")
        front.fail(1, "reset", path="/manifests/")
        found = tool.signatures(image, Signer(public_key=registries.key.public), "legacy").found
        assert [one.digest for one in found] == [image.digest]
        front.fail(-1, OFTEN)
        with pytest.raises(ToolFailedError, match="in 4 attempts") as error:
            tool.sign(image, key, "legacy")
    assert "lets nobody ask so often" in error.value.solution


def test_a_registry_with_a_certificate_by_an_authority_of_ones_own(registries: Registries, tmp_path: Path) -> None:
    """The authority beside the credential is trusted, by skopeo and by cosign; another one and none are not."""
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    credential = tmp_path / "credential"
    with door(registries.releases, credential, certificate=ours / "server.pem") as front:
        image = pushed(registries, front)
        with pytest.raises(ToolFailedError) as error:
            through(credential, image, tls_verify=True)
        assert "as `ca.crt`" in error.value.solution
        shutil.copy(theirs / "ca.crt", credential)
        with pytest.raises(ToolFailedError, match="certificate"):
            through(credential, image, tls_verify=True)
        shutil.copy(ours / "ca.crt", credential)
        assert through(credential, image, tls_verify=True) == LABELS
        registries.sign(str(image).replace(front.address, registries.releases.address))
        with docker_config(credential) as authfile:
            tool = cosign(authfile, tls_verify=True)
            answer = tool.signatures(image, Signer(public_key=registries.key.public), "legacy")
        assert [one.digest for one in answer.found] == [image.digest], answer.words


def test_the_authority_of_one_registry_is_not_that_of_the_other(registries: Registries, tmp_path: Path) -> None:
    """A copy trusts for each side what lies beside its own credential."""
    one, other = authority(tmp_path / "one"), authority(tmp_path / "other")
    source, target = tmp_path / "source", tmp_path / "target"
    with (
        door(registries.candidates, source, certificate=one / "server.pem") as left,
        door(registries.releases, target, certificate=other / "server.pem") as right,
    ):
        found = registries.push(registries.candidate)
        image = Image(repository=f"{left.address}/{registries.candidate.partition('/')[2]}", digest=found)
        wanted = f"{right.address}/{registries.release.partition('/')[2]}"

        def copied(source_has: Path, target_has: Path) -> str:
            shutil.copy(source_has / "ca.crt", source)
            shutil.copy(target_has / "ca.crt", target)
            with docker_config(source) as authfile, docker_config(target) as other_authfile:
                ways = [skopeo.Registry(authfile=file, tls_verify=True) for file in (authfile, other_authfile)]
                try:
                    skopeo.copy(image, ways[0], wanted, "copied", ways[1])
                except ToolFailedError as error:
                    return error.solution
                return ""

        assert copied(one, other) == ""
        assert "another authority's" in copied(other, one)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN PRIVATE KEY-----\n"])
def test_an_authority_that_is_none_is_bad_input(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "ca.crt").write_text(text)
    with pytest.raises(BadInputError, match="holds no certificate"), docker_config(tmp_path):
        pass


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ("received unexpected HTTP status: 502 Bad Gateway", True),
        ("invalid status code from registry 503 (Service Unavailable)", True),
        ("Get https://x/v2/: unexpected status code 429 Too Many Requests", True),
        ("read tcp 10.0.0.1:4->10.0.0.2:443: read: connection reset by peer", True),
        ("net/http: TLS handshake timeout", True),
        ("manifest unknown: manifest sha256:" + "503" * 21 + "5 is unknown", False),
        ("unexpected status code 404 Not Found", False),
        ("x509: certificate signed by unknown authority", False),
        ("no matching signatures", False),
        ("connection refused", False),
    ],
)
def test_only_what_may_go_well_in_a_moment_is_tried_again(words: str, again: bool) -> None:
    assert registry_calls.transient(Completed(exit_code=1, stdout="", stderr=words)) is again


def test_a_manifest_that_is_not_the_one_of_the_digest_is_not_believed() -> None:
    """A registry that gives a list of other images for a digest; skopeo itself prints it."""

    class Lying(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"schemaVersion": 2, "manifests": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.oci.image.index.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Lying)
    with serving(server):
        asked = Image(repository=f"127.0.0.1:{server.server_port}/releases/iris", digest=f"sha256:{'2' * 64}")
        with docker_config(None) as authfile:
            registry = skopeo.Registry(authfile=authfile, tls_verify=False)
            for ask in (skopeo.platforms, skopeo.manifest, skopeo.require_single, skopeo.require):
                with pytest.raises(ToolFailedError, match="another manifest than the one of"):
                    ask(asked, registry)


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        ({}, True),
        ({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}, True),
        ({"urls": ["https://example.com/layer"]}, False),
        ({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"}, False),
        ({"mediaType": "application/vnd.in-toto+json"}, False),
        ({"annotations": {"containerd.io/snapshot/stargz/toc.digest": f"sha256:{'0' * 64}"}}, False),
    ],
)
def test_only_layers_that_the_registry_keeps_and_everybody_unpacks_are_taken(more: dict[str, Any], taken: bool) -> None:
    plain = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{'1' * 64}", "size": 1}
    assert skopeo._is_layer({**plain, **more}) is taken


def test_plain_http_is_spoken_to_no_registry_elsewhere_that_its_credential_does_not_name(tmp_path: Path) -> None:
    """The param of a run alone opens no registry: nothing is sent, not even a greeting, by none of the three tools."""
    away = Image(repository="registry.example.com:5000/releases/iris", digest=f"sha256:{'2' * 64}")
    (tmp_path / "config.json").write_text('{"auths": {"registry.example.com:5000": {"auth": "YTpi"}}}')
    (tmp_path / "plain-http").write_text("# others\nregistry.example.com\nregistry.example.com:5001\n")
    with docker_config(tmp_path) as authfile:
        registry = skopeo.Registry(authfile=authfile, tls_verify=False)
        tool = Cosign(authfile=authfile, tls_verify=False, version=(2, 6))
        key = PrivateKey(reference="cosign.key")
        builder = Buildah(folder=tmp_path, base_store=None, authfile=authfile, tls_verify=False)
        here = Image(repository="127.0.0.1:5000/candidates/iris", digest=away.digest)
        asked: list[Callable[[], object]] = [
            lambda: skopeo.configuration(away, registry),
            lambda: skopeo.answers(away, registry),
            lambda: skopeo.copy(away, registry, here.repository, "tag", registry),
            lambda: skopeo.copy(here, registry, away.repository, "tag", registry),
            lambda: skopeo.push_layout(tmp_path, "image", away.repository, "tag", registry, digest=away.digest),
            lambda: skopeo.download(away, registry, tmp_path / "image", maximum_bytes=1, timeout=1),
            lambda: tool.signatures(away, Signer(public_key=tmp_path / "cosign.pub"), "legacy"),
            lambda: tool.statements(away, Signer(public_key=tmp_path / "cosign.pub"), "verdict", "legacy"),
            lambda: tool.sign(away, key, "legacy"),
            lambda: tool.attest(away, key, tmp_path / "verdict.json", "verdict", "legacy"),
            lambda: builder.push("image", away.repository, "tag"),
        ]
        for ask in asked:
            with pytest.raises(BadInputError, match="may not be spoken to without TLS") as error:
                ask()
            assert "`registry.example.com:5000` into a file `plain-http`" in error.value.solution


def test_plain_http_is_spoken_where_the_credentials_owner_says_so(tmp_path: Path) -> None:
    (tmp_path / "plain-http").write_text("Registry.Example.com:5000  # in the same rack\n")
    with docker_config(tmp_path) as authfile:
        registry = skopeo.Registry(authfile=authfile, tls_verify=False)
        assert "--tls-verify=false" in registry.access("registry.example.com:5000/releases/iris")
        with pytest.raises(BadInputError):
            registry.access("registry.example.com/releases/iris")
    (tmp_path / "plain-http").write_text("http://registry.example.com\n")
    with pytest.raises(BadInputError, match="no registry's host"), docker_config(tmp_path):
        pass


@pytest.mark.parametrize(
    "host", ["10.1.2.3:5000", "192.168.1.2", "172.20.0.1", "hub.bank.local", "127.0.0.1.example.com"]
)
def test_cosign_is_not_left_to_fall_back_to_plain_http(host: str, tmp_path: Path) -> None:
    """As it does for such names, whatever it is told, where TLS does not answer."""
    asked = Image(repository=f"{host}/releases/iris", digest=f"sha256:{'2' * 64}")
    with docker_config(None) as authfile:
        tool = Cosign(authfile=authfile, tls_verify=True, version=(2, 6))
        with pytest.raises(BadInputError, match="without TLS where TLS does not answer"):
            tool.signatures(asked, Signer(public_key=tmp_path / "cosign.pub"), "legacy")
    (tmp_path / "plain-http").write_text(host)
    with docker_config(tmp_path) as authfile:
        require_tls_kept(str(asked), authfile)
        for good in ("registry.example.com", "hub.bank.localnet", "172.32.0.1", "127.0.0.1:5000"):
            require_tls_kept(f"{good}/releases/iris", authfile)
