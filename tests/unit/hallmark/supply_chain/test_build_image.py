"""build-image with real Buildah, in a sandbox with the rights that its Task gives it, against a real registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark import image_labels, model_artifact
from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree
from hallmark.image_reference import Image
from hallmark.tools import skopeo
from laptop.containers import as_root

from .supply_chain_helpers import MODEL, Called
from .supply_chain_images import COMMIT, Registries, digest, labels_of, small_root

CONTAINERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY model/ /app/model/
COPY train.py /app/
RUN cat /app/model/model.skops > /app/copied
"""

# What containerd and CRI-O leave to a container's root, and SETFCAP, which the Task adds.
CAPABILITIES = [
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"),
    *("SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "NET_RAW", "SETFCAP"),
]

Build = Callable[..., Called]


def pod(state: Path, capabilities: list[str]) -> list[str]:
    """What stands before a command to give it these rights and its own /var/lib/containers."""
    sandbox = [*as_root(), "bwrap", "--dev-bind", "/", "/", "--bind", str(state), "/var/lib/containers"]
    sandbox += ["--tmpfs", "/run", "--unshare-pid", "--unshare-ipc", "--proc", "/proc", "--die-with-parent"]
    return [*sandbox, "--cap-drop", "ALL", *(part for name in capabilities for part in ("--cap-add", f"CAP_{name}"))]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "data").mkdir(parents=True)
    (folder / "hallmark.yaml").write_text(MODEL)
    (folder / "train.py").write_text("print('training')\n")
    (folder / "data" / "training.csv").write_text("width\n1\n")
    (folder / "Containerfile").write_text(CONTAINERFILE)
    return folder


@pytest.fixture
def base(registries: Registries) -> str:
    repository = f"{registries.candidates.address}/base/small"
    pushed = registries.push(repository, {"org.opencontainers.image.title": "small"}, layer_tar=small_root())
    return f"{repository}@{pushed}"


@pytest.fixture
def build(registries: Registries, source: Path, base: str, policy: Path, tmp_path: Path) -> Build:
    """Call build-image as its pod does: root with a container's capabilities, and /var/lib/containers of its own."""
    calls = 0

    def call(*, rights: list[str] | None = None, **flags: object) -> Called:
        nonlocal calls
        calls += 1
        model = tmp_path / "model"
        model.mkdir(exist_ok=True)
        if not (model / "model.skops").exists():
            (model / "model.skops").write_bytes(b"a trained model\n")
        state, results = tmp_path / f"state-{calls}", tmp_path / f"results-{calls}"
        state.mkdir()
        given: dict[str, object] = {
            "candidate_image": registries.candidate,
            "base_image": base,
            "source_digest": sha256_tree(source),
            "policy_digest": policy_digest(policy),
            "model_digest": sha256_file(model / "model.skops"),
            "data_digest": digest("d"),
            "commit": COMMIT,
            "commit_time": 1_700_000_000,
            "repository_url": "https://git.example.com/team/iris.git",
            "tls_verify": "false",
            "source": source,
            "model": model,
            "policy": policy,
            "credential": registries.candidates.credential,
            "report": tmp_path / "report",
            "result_image_url": results / "url",
            "result_image_digest": results / "digest",
            "result_image_platforms": results / "platforms",
            **flags,
        }
        argv = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        sandbox = pod(state, CAPABILITIES if rights is None else rights)
        done = subprocess.run(
            [*sandbox, sys.executable, "-m", "hallmark.cli", "build-image", *argv],
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert [entry.name for entry in state.iterdir() if entry.name != "cache"] == []
        return Called(done.returncode, done.stdout + done.stderr, results)

    return call


def names_bases(policy: Path, *bases: str) -> None:
    """Have the policy name what may be built on."""
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("image: {", f"image: {{bases: {json.dumps(bases)}, "))


def reference(registries: Registries, called: Called) -> tuple[Image, skopeo.Registry]:
    image = Image(repository=registries.candidate, digest=called.result("digest") or "")
    return image, skopeo.Registry(authfile=registries.candidates.auth_file, tls_verify=False)


def files(registries: Registries, called: Called, folder: Path) -> dict[str, Any]:
    """What the image adds to its base: name to (mode, owner, time, content)."""
    image, registry = reference(registries, called)
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]
    argv += [f"--src-authfile={registry.authfile}", f"docker://{image}", f"oci:{folder}:it"]
    subprocess.run(argv, check=True, capture_output=True)
    blobs = folder / "blobs" / "sha256"
    manifest = json.loads((blobs / image.digest.removeprefix("sha256:")).read_text())
    found: dict[str, Any] = {}
    for layer in manifest["layers"][1:]:
        with tarfile.open(blobs / layer["digest"].removeprefix("sha256:")) as tar:
            for entry in tar:
                reader = tar.extractfile(entry) if entry.isfile() else None
                content = reader.read() if reader else b""
                found[entry.name] = (entry.mode & 0o777, entry.uid, int(entry.mtime), content)
    return found


def test_an_image_is_built_on_the_base_with_the_model_in_it_and_labelled(
    build: Build, registries: Registries, source: Path, tmp_path: Path, base: str
) -> None:
    called = build()
    assert called.code == 0, called.output
    assert called.result("url") == registries.candidate
    assert f"ok  base image: {base}  (any: the policy names no base" in called.output
    labels = labels_of(*reference(registries, called))
    assert dict(labels) == {
        image_labels.TITLE: "iris",
        image_labels.VERSION: "1.2.3",
        image_labels.REVISION: COMMIT,
        image_labels.SOURCE: "https://git.example.com/team/iris.git",
        image_labels.SOURCE_DIGEST: sha256_tree(source),
        image_labels.MODEL_DIGEST: sha256_file(tmp_path / "model" / "model.skops"),
        image_labels.DATA_DIGEST: digest("d"),
        image_labels.MODEL_ARTIFACT: "",
    }
    told = skopeo.manifest(*reference(registries, called))["annotations"]
    assert labels.items() <= told.items()
    assert told[image_labels.CREATED] == "2023-11-14T22:13:20Z"
    assert told[image_labels.BASE_DIGEST] == base.partition("@")[2]
    added = files(registries, called, tmp_path / "layout")
    assert added["app/model/model.skops"] == (0o644, 0, 1_700_000_000, b"a trained model\n")
    assert added["app/copied"][3] == b"a trained model\n"


def test_the_same_inputs_give_the_same_digest_whatever_the_modes_and_times_on_the_volume(
    build: Build, source: Path
) -> None:
    first = build()
    assert first.code == 0, first.output
    (source / "train.py").chmod(0o660)
    os.utime(source / "train.py", (1, 1))
    second = build()
    assert second.code == 0, second.output
    assert second.result("digest") == first.result("digest")


def test_another_model_gives_another_digest(build: Build, tmp_path: Path) -> None:
    first = build()
    (tmp_path / "model" / "model.skops").write_bytes(b"another model\n")
    second = build()
    assert (first.code, second.code) == (0, 0)
    assert first.result("digest") != second.result("digest")


def test_a_containerfiles_own_labels_do_not_win(build: Build, registries: Registries, source: Path) -> None:
    with (source / "Containerfile").open("a") as file:
        wrong = f'"{digest("9")}"'
        file.write(f"LABEL {image_labels.MODEL_DIGEST}={wrong} {image_labels.MODEL_ARTIFACT}={wrong} mine=kept\n")
    called = build()
    assert called.code == 0, called.output
    labels = labels_of(*reference(registries, called))
    assert labels[image_labels.MODEL_DIGEST] != digest("9")
    assert (labels[image_labels.MODEL_ARTIFACT], model_artifact.of(labels, "it")) == ("", None)
    assert labels["mine"] == "kept"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("RUN echo the reason >&2 && exit 7", "the reason"),
        ("COPY nothing /", "nothing"),
        ("NONSENSE", "NONSENSE"),
        ("FROM registry.example.com/another:latest", "another"),
    ],
)
def test_a_containerfile_that_does_not_build_is_refused_with_the_end_of_its_output(
    build: Build, source: Path, tmp_path: Path, lines: str, complaint: str
) -> None:
    with (source / "Containerfile").open("a") as file:
        file.write(f"{lines}\n")
    called = build()
    assert called.code == 1, called.output
    assert complaint in called.output
    assert complaint in (tmp_path / "report" / "build.log").read_text()
    assert called.result("digest") is None


def test_a_base_that_the_policy_names_is_built_on_and_told(build: Build, policy: Path, base: str) -> None:
    names_bases(policy, f"x.io/other@{digest('8')}", base)
    called = build()
    assert called.code == 0, called.output
    assert f"ok  base image: {base}  (one of x.io/other@" in called.output


@pytest.mark.parametrize("builder", ["containerfile", "server"])
def test_a_base_that_the_policy_does_not_name_is_refused_before_anything_is_fetched(
    build: Build, policy: Path, source: Path, base: str, builder: str
) -> None:
    # The digest at another place, and another digest at the same one.
    names_bases(policy, f"x.io/small@{base.partition('@')[2]}", f"{base.partition('@')[0]}@{digest('8')}")
    if builder == "server":
        (source / "Containerfile").unlink()
    called = build()
    assert called.code == 1, called.output
    assert f"the policy does not name the base image {base}" in called.output
    assert "model server on" not in called.output
    assert "building" not in called.output
    assert called.result("digest") is None


def test_a_containerfile_that_takes_from_another_image_is_refused_where_the_policy_names_bases(
    build: Build, policy: Path, source: Path, base: str
) -> None:
    names_bases(policy, base)
    with (source / "Containerfile").open("a") as file:
        file.write("FROM scratch\nCOPY --from=0 /app /app\n")
    called = build()
    assert called.code == 1, called.output
    assert "NO  images of the Containerfile: scratch" in called.output
    assert called.result("digest") is None


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("model/model.skops", "it is in the folder model"),
        ("./model/training.json", "there is no such file"),
        ("linked", "linked is a link"),
        ("folder/Containerfile", "folder is a link"),
        ("missing", "there is no such file"),
        ("Containerfile.in", "preprocessor"),
    ],
)
def test_a_containerfile_that_is_no_file_of_the_repository_is_bad_input(
    build: Build, policy: Path, source: Path, base: str, tmp_path: Path, name: str, complaint: str
) -> None:
    """Training could have written it, and it would be another one than what is checked."""
    names_bases(policy, base)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.skops").write_text(CONTAINERFILE)
    (source / "linked").symlink_to("model/model.skops")
    (source / "folder").symlink_to("data")
    (source / "data" / "Containerfile").write_text(CONTAINERFILE)
    (source / "Containerfile.in").write_text(CONTAINERFILE)
    (source / "hallmark.yaml").write_text(MODEL.replace("image: {", f"image: {{containerfile: {name}, "))
    called = build()
    assert called.code == 2, called.output
    assert complaint in called.output


def test_run_has_no_network_not_even_the_registry_beside_it(build: Build, source: Path, registries: Registries) -> None:
    port = registries.candidates.port
    connect = (
        "socket(S, 2, 1, 0) or die; connect(S, pack('S n C4 x8', 2, $ARGV[0], 127, 0, 0, 1)) "
        "? print qq(CONNECTED\\n) : print qq(REFUSED $!\\n); exit 7"
    )
    with (source / "Containerfile").open("a") as file:
        file.write(f'RUN perl -e "{connect.replace("$", chr(92) + "$")}" {port}\n')
    called = build()
    assert called.code == 1, called.output
    assert "REFUSED Network is unreachable" in called.output


def test_run_cannot_leave_its_root_to_forge_a_result_or_read_the_credential(
    build: Build, source: Path, registries: Registries, policy: Path, tmp_path: Path
) -> None:
    """The usual way out of a chroot: keep the root open, chroot deeper, go back and up."""
    (source / "escape.pl").write_text(
        "opendir(D, '/'); mkdir '/deep'; my $in = chroot('/deep'); chdir(D); chdir('..') for 1..50; chroot('.');\n"
        "print 'chroot: ', ($in ? 'yes' : 'no'), qq(\\n);\n"
        f"print 'credential: ', (-e '{registries.candidates.auth_file}' ? 'seen' : 'hidden'), qq(\\n);\n"
        f"print 'policy: ', (-e '{policy}/policy.yaml' ? 'seen' : 'hidden'), qq(\\n);\n"
        "opendir(P, '/proc'); for my $p (grep { /^[0-9]/ } readdir(P)) { print qq(seen through $p\n) "
        f"if -e qq(/proc/$p/root{registries.candidates.auth_file}); }}\n"
        f"open(F, '>', '{tmp_path}/forged') and print F 'x';\n"
        "exit 7;\n"
    )
    with (source / "Containerfile").open("a") as file:
        file.write("COPY escape.pl /\nRUN perl /escape.pl\n")
    called = build()
    assert called.code == 1, called.output
    assert "chroot: no" in called.output
    assert "credential: hidden" in called.output
    assert "policy: hidden" in called.output
    assert "seen through" not in called.output
    assert not (tmp_path / "forged").exists()


@pytest.mark.parametrize("what", ["file", "link", "linked file", "model"])
def test_a_repository_with_something_where_the_model_belongs_is_bad_input(
    build: Build, source: Path, what: str
) -> None:
    if what == "file":
        (source / "model").write_text("")
    elif what == "link":
        (source / "model").symlink_to("data")
    else:
        (source / "model").mkdir()
        place = source / "model" / "model.skops"
        if what == "model":
            place.write_text("from the maker")
        else:
            place.symlink_to("../train.py")
    called = build()
    assert called.code == 2, called.output
    assert "the repository has" in called.output


def test_other_files_in_the_folder_of_the_model_are_kept(
    build: Build, source: Path, registries: Registries, tmp_path: Path
) -> None:
    (source / "model").mkdir()
    (source / "model" / "README").write_text("about\n")
    called = build()
    assert called.code == 0, called.output
    assert "app/model/README" in files(registries, called, tmp_path / "layout")


@pytest.mark.parametrize(
    "flags",
    [
        {"source_digest": digest("9")},
        {"policy_digest": digest("9")},
        {"model_digest": digest("9")},
        {"data_digest": "none"},
        {"base_image": "127.0.0.1:1/base:latest"},
        {"candidate_image": "127.0.0.1:1/iris:tag"},
        {"commit": "main"},
        {"commit_time": "yesterday"},
    ],
)
def test_inputs_that_are_not_what_was_handed_over_are_bad_input(build: Build, flags: dict[str, object]) -> None:
    called = build(**flags)
    assert called.code == 2, called.output


def test_a_registry_that_does_not_answer_or_let_us_in_is_a_failed_tool(
    build: Build, registries: Registries, base: str
) -> None:
    missing = base.partition("@")[0] + "@" + digest("9")
    assert build(base_image=missing).code == 3
    assert build(credential="").code == 3
    down = build(candidate_image="127.0.0.1:9/candidates/iris")
    assert down.code == 3, down.output
    assert build(credential=registries.releases.credential).code == 3


def test_a_pod_without_the_rights_to_build_is_a_failed_tool_that_says_so(build: Build) -> None:
    called = build(rights=["CHOWN"])
    assert called.code == 3, called.output
    assert "images cannot be built here" in called.output


def test_it_builds_with_the_rights_of_the_machines_root_too(build: Build) -> None:
    with_mount = build(rights=[*CAPABILITIES, "SYS_ADMIN", "NET_ADMIN"])
    assert with_mount.code == 0, with_mount.output
    assert with_mount.result("digest") == build().result("digest")
