"""A model beside its image: sign-image brings it to the releases, and the model server fetches it there, by digest."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hallmark import image_labels, model_artifact, process, registry_calls
from hallmark.files import sha256_bytes, sha256_file
from hallmark.image_reference import Image
from hallmark.serving.errors import CannotServeError, StoreFailedError
from hallmark.serving.fetching import Fetching
from hallmark.serving.kept import Wanted
from hallmark.serving.settings import Settings
from hallmark.tools import skopeo
from services.faulty_registry import Fault, door
from services.http import WebServer, content, web_server

from .supply_chain_helpers import Called
from .supply_chain_images import LABELS, Registries, digest

DATA = b"a trained model" * 1000
BLOB = "/v2/team/iris/blobs/{digest}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.skops"
    file.write_bytes(DATA)
    return file


@pytest.fixture
def candidates(registries: Registries) -> skopeo.Registry:
    return skopeo.Registry(authfile=registries.candidates.auth_file, tls_verify=False)


def fetch(url: str, model: Path, config: Path, **told: str) -> bytes:
    settings = {"URL": url, "DOCKER_CONFIG": str(config), "RETRIES": "1", **told}
    wanted = Wanted(digest=sha256_file(model), size=len(DATA), file="model.skops", name="iris", version="1.2.3")
    return Fetching(settings=Settings.read({f"HALLMARK_MODEL_{name}": told for name, told in settings.items()})).model(
        wanted
    )


def test_the_model_of_a_signed_image_is_fetched_from_the_releases_with_the_credential_that_pulls_images(
    sign: Callable[..., Called], registries: Registries, candidates: skopeo.Registry, model: Path
) -> None:
    found = sha256_file(model)
    artifact = model_artifact.push(model, found, name="iris", target=registries.candidate, registry=candidates)
    labels = {**LABELS, image_labels.MODEL_DIGEST: found, image_labels.MODEL_ARTIFACT: artifact}
    told = {"name": "iris", "version": "1.2.3", "digest": found}
    called = sign({"model": told}, labels=labels)
    assert called.code == 0, called.output
    host, _, repository = registries.release.partition("/")
    url = f"http://{host}/v2/{repository}/blobs/{{digest}}"
    assert fetch(url, model, registries.releases.auth_file) == DATA
    with pytest.raises(CannotServeError, match="the credential is wrong, has expired"):
        fetch(url, model, config_of(model.parent, host))
    with pytest.raises(StoreFailedError, match="status 404"):
        fetch(url.replace("{digest}", digest("9")), model, registries.releases.auth_file)


def test_a_model_beside_the_image_that_is_not_the_judged_one_is_not_signed(
    sign: Callable[..., Called], registries: Registries, candidates: skopeo.Registry, model: Path
) -> None:
    artifact = model_artifact.push(
        model, sha256_file(model), name="iris", target=registries.candidate, registry=candidates
    )
    called = sign(labels={**LABELS, image_labels.MODEL_ARTIFACT: artifact})
    assert called.code == 1, called.output
    assert f"NO  model beside the image: {sha256_file(model)}" in called.output


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("latest", "the image's label dev.hallmark.model.artifact is no digest"),
        (f"{digest('9')} ", "the image's label dev.hallmark.model.artifact is no digest"),
        (digest("9"), "the registry has no 127.0.0.1:"),
        ("its blob", "the registry has no 127.0.0.1:"),
        ("an image", "something else than files of models"),
        ("a list", "no manifest of a model, but application/vnd.oci.image.index.v1+json"),
    ],
)
def test_a_label_that_somebody_made_up_is_refused_whatever_it_leads_to(
    sign: Callable[..., Called], registries: Registries, model: Path, label: str, words: str
) -> None:
    """Also to an image with the very model as its layer: that is no artefact from which anybody could take it."""
    found = sha256_file(model)
    made = {
        "its blob": lambda: [registries.push(registries.candidate, layer_tar=DATA), found][1],
        "an image": lambda: registries.push(registries.candidate, layer_tar=DATA),
        "a list": lambda: registries.push(registries.candidate, layer_tar=DATA, as_index=True),
    }
    named = made[label]() if label in made else label
    labels = {**LABELS, image_labels.MODEL_DIGEST: found, image_labels.MODEL_ARTIFACT: named}
    called = sign({"model": {"name": "iris", "version": "1.2.3", "digest": found}}, labels=labels)
    assert called.code == 1, called.output
    assert f"NO  model beside the image: {words}" in called.output
    assert "nothing was signed: model beside the image" in called.output


@pytest.mark.parametrize("fault", [(503, "", ""), (401, "UNAUTHORIZED", "authentication required"), "reset"], ids=str)
def test_a_registry_that_does_not_tell_what_is_beside_the_image_is_a_failed_tool(
    sign: Callable[..., Called],
    registries: Registries,
    candidates: skopeo.Registry,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr(registry_calls, "FIRST_PAUSE", 0.01)
    found = sha256_file(model)
    artifact = model_artifact.push(model, found, name="iris", target=registries.candidate, registry=candidates)
    labels = {**LABELS, image_labels.MODEL_DIGEST: found, image_labels.MODEL_ARTIFACT: artifact}
    pushed = registries.push(registries.candidate, labels)
    told = {"name": "iris", "version": "1.2.3", "digest": found}
    with door(registries.candidates, tmp_path / "door") as front:
        there = registries.candidate.replace(registries.candidates.address, front.address)
        changes = {"model": told, "image": {"repository": there, "digest": pushed}}
        given = {"image_digest": pushed, "candidate_image": there, "candidate_credential": front.credential}
        front.fail(99, fault, path=f"/manifests/{artifact}")
        called = sign(changes, **given)
        assert called.code == 3, called.output
        assert f"does not give {there}@{artifact}" in called.output
        front.fail(0, fault)
        assert sign(changes, **given).code == 0


def test_one_file_as_two_models_is_two_artefacts_of_which_none_takes_the_others_tag(
    registries: Registries, candidates: skopeo.Registry, model: Path, tmp_path: Path
) -> None:
    found = sha256_file(model)
    other = model.with_suffix(".onnx")
    other.write_bytes(DATA)
    releases = skopeo.Registry(authfile=registries.releases.auth_file, tls_verify=False)

    def push(file: Path, name: str) -> str:
        return model_artifact.push(file, found, name=name, target=registries.candidate, registry=candidates)

    def tags(repository: str, registry: skopeo.Registry) -> dict[str, str]:
        flags = ["--tls-verify=false", f"--authfile={registry.authfile}"]
        listed = process.run(["skopeo", "list-tags", *flags, f"docker://{repository}"]).stdout
        raw = ["skopeo", "inspect", "--raw", *flags]
        return {
            tag: sha256_bytes(process.run([*raw, f"docker://{repository}:{tag}"]).stdout.encode())
            for tag in json.loads(listed)["Tags"]
        }

    # As it was called before tags were the artefacts' own: what lies there stays there.
    first = push(model, "iris")
    earlier = f"model-{found.removeprefix('sha256:')}"
    standing = Image(repository=registries.candidate, digest=first)
    skopeo.copy(standing, candidates, registries.candidate, earlier, candidates)
    made = [first, push(model, "flowers"), push(other, "iris")]
    own = {f"model-{one.removeprefix('sha256:')}": one for one in made}
    assert len(own) == 3
    assert push(model, "iris") == first
    assert tags(registries.candidate, candidates) == {earlier: first, **own}
    for one in made:
        artifact = Image(repository=registries.candidate, digest=one)
        model_artifact.publish(artifact, found, candidates, registries.release, releases)
    assert tags(registries.release, releases) == own
    for one in made:
        artifact = Image(repository=registries.release, digest=one)
        model_artifact.take_out(artifact, found, releases, tmp_path / "taken", maximum_bytes=1 << 20, timeout=60)
        assert (tmp_path / "taken").read_bytes() == DATA


def config_of(folder: Path, host: str, user: str = "ada", password: str = "wrong") -> Path:  # noqa: S107
    file = folder / "config.json"
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {f"https://{host}/v2/": {"auth": pair}}}))
    return file


@pytest.fixture
def registry(model: Path) -> Iterator[WebServer]:
    """One that believes only tokens, which its own place for tokens gives to one user."""
    with web_server() as found:
        realm = f'Bearer realm="{found.url("/token")}",service="here",scope="repository:team/iris:pull"'

        def blob(request: BaseHTTPRequestHandler) -> None:
            if request.headers.get("Authorization") == "Bearer t0ken":
                content(DATA)(request)
            else:
                content(b"", 401, WWW_Authenticate=realm)(request)

        def token(request: BaseHTTPRequestHandler) -> None:
            if request.headers.get("Authorization") == f"Basic {base64.b64encode(b'ada:right').decode()}":
                content(b'{"token": "t0ken"}')(request)
            else:
                content(b"", 401)(request)

        found.answers[BLOB.replace("{digest}", sha256_file(model))] = [blob]
        found.answers["/token?service=here&scope=repository%3Ateam%2Firis%3Apull"] = [token]
        yield found


def test_a_registry_that_wants_a_token_is_given_one(registry: WebServer, model: Path) -> None:
    right = config_of(model.parent, f"127.0.0.1:{registry.port}", password="right")  # noqa: S106
    assert fetch(registry.url(BLOB), model, right) == DATA
    assert [authorization.partition(" ")[0] for _, authorization in registry.asked] == ["", "Basic", "Bearer"]


def test_where_a_registry_leads_to_nobody_may_ask_for_its_password(registry: WebServer, model: Path) -> None:
    right = config_of(model.parent, f"127.0.0.1:{registry.port}", password="right")  # noqa: S106
    path = BLOB.replace("{digest}", sha256_file(model))
    with web_server() as other:
        for challenge in (f'Bearer realm="{other.url("/token")}"', 'Basic realm="here"'):
            registry.answers[path] = [content(b"", 307, Location=other.url("/kept"))]
            other.answers |= {
                "/kept": [content(b"", 401, WWW_Authenticate=challenge)],
                "/token": [content(b'{"token": "x"}')],
            }
            with pytest.raises(StoreFailedError, match=rf"it leads to {other.url('/kept')}, which gets no credential"):
                fetch(registry.url(BLOB), model, right)
        assert other.asked == [("/kept", "")] * 2
    # Within the registry the password goes where the registry says.
    registry.answers |= {path: [content(b"", 307, Location="/blob")]}
    registry.answers["/blob"] = [content(b"", 401, WWW_Authenticate='Basic realm="here"'), content(DATA)]
    assert fetch(registry.url(BLOB), model, right) == DATA
    assert registry.asked[-1][1].startswith("Basic ")


def test_who_is_given_no_token_is_told_so_without_the_password(registry: WebServer, model: Path) -> None:
    with pytest.raises(StoreFailedError, match="user or password is wrong") as caught:
        fetch(registry.url(BLOB), model, config_of(model.parent, f"127.0.0.1:{registry.port}"))
    assert "wrong:" not in str(caught.value)


@pytest.mark.parametrize(
    ("challenge", "answer", "words"),
    [
        ('Bearer realm="http://tokens.example/"', b"", "in the clear"),
        ('Bearer realm="file:///etc/passwd"', b"", "begins with none of"),
        ('Bearer realm="https://[x"', b"", "a token of an address that is none"),
        ('Bearer realm="https://a..b/"', b"", "is no address"),
        ('Bearer realm="https://a%2e%2eb/"', b"", "is no address"),
        ("Negotiate", b"", "neither a password nor a token"),
        ('Bearer realm="{astray}"', b"", "leads to an address that is none"),
        ('Bearer realm="{here}"', b"{}", "gave none"),
        ('Bearer realm="{here}"', b"[", "gave none"),
        ('Bearer realm="{here}"', b'{"token": "two words"}', "gave none"),
        ('Bearer realm="{here}"', b'{"token": "\\u20ac"}', "gave none"),
        ('Bearer realm="{here}"', b'{"access_token": "other"}', "may not be read .status 401."),
    ],
)
def test_a_registry_gets_the_password_only_where_that_makes_sense(
    registry: WebServer, model: Path, challenge: str, answer: bytes, words: str
) -> None:
    asked = challenge.replace("{here}", registry.url("/other")).replace("{astray}", registry.url("/astray"))
    registry.answers["/astray"] = [content(b"", 302, Location="https://[x/")]
    registry.answers[BLOB.replace("{digest}", sha256_file(model))] = [content(b"", 401, WWW_Authenticate=asked)]
    registry.answers["/other"] = [content(answer)]
    with pytest.raises(StoreFailedError, match=words):
        fetch(registry.url(BLOB), model, config_of(model.parent, f"127.0.0.1:{registry.port}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no config.json"),
        ("[]", "is no config.json"),
        ('{"auths": {"other.example": {"auth": "YTpi"}}}', "says nothing about 127.0.0.1"),
        ('{"auths": {"HOST/team/ir": {"auth": "YTpi"}}}', "says nothing about 127.0.0.1"),
        ('{"auths": {"HOST": {"auth": "%%"}}}', "without user and password"),
        ('{"auths": {"HOST": {"identitytoken": "x"}}}', "without user and password"),
    ],
)
def test_a_config_that_says_nothing_of_the_registry_is_told(
    registry: WebServer, model: Path, text: str, words: str
) -> None:
    file = model.parent / "config.json"
    file.write_text(text.replace("HOST", f"127.0.0.1:{registry.port}"))
    with pytest.raises(CannotServeError, match=words) as caught:
        fetch(registry.url(BLOB), model, file)
    assert caught.value.exit_code == 2


def test_the_entry_that_names_most_of_the_repository_counts_and_two_credentials_are_one_too_many(
    registry: WebServer, model: Path
) -> None:
    pair = {name: base64.b64encode(name.encode()).decode() for name in ("ada:right", "ada:no")}
    host = f"127.0.0.1:{registry.port}"
    entries = {host: "ada:no", f"{host}/team/iris": "ada:right", f"{host}/team": "ada:no"}
    file = model.parent / "config.json"
    file.write_text(json.dumps({"auths": {name: {"auth": pair[user]} for name, user in entries.items()}}))
    assert fetch(registry.url(BLOB), model, file) == DATA
    with pytest.raises(CannotServeError, match="are both set"):
        fetch(registry.url(BLOB), model, file, TOKEN_FILE="x")  # noqa: S106 - a name of a file
