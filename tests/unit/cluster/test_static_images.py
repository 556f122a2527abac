"""Images of static programs, as other tools read them."""

from __future__ import annotations

import json
import tarfile

import pytest

from cluster import static_images
from hallmark.errors import BadInputError
from hallmark.process import run

REFERENCE = "hallmark.test/thing:built"


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "thing"
    path.write_bytes(b"\x7fELF of a kind")
    path.chmod(0o700)
    return path


def make(folder, program, **changed):
    given = {"files": {"/ko-app/thing": program}, "entrypoint": ["/ko-app/thing"], **changed}
    return static_images.archive(folder / "image.tar", reference=REFERENCE, **given)


def layer(image):
    with tarfile.open(image) as outer:
        (found,) = json.loads(outer.extractfile("manifest.json").read())
        with tarfile.open(fileobj=outer.extractfile(found["Layers"][0])) as inner:
            return inner.getmembers()


def test_skopeo_reads_its_configuration(tmp_path, program):
    image = make(tmp_path, program)
    argv = ["skopeo", "inspect", "--config", f"docker-archive:{image}:{REFERENCE}"]
    config = json.loads(run(argv).stdout)["config"]
    assert (config["Entrypoint"], config["User"]) == (["/ko-app/thing"], "65532:65532")


def test_skopeo_finds_each_layer_by_its_digest(tmp_path, program):
    image = make(tmp_path, program)
    run(["skopeo", "--insecure-policy", "copy", f"docker-archive:{image}", f"oci:{tmp_path / 'layout'}:x"])
    assert (tmp_path / "layout" / "index.json").exists()


def test_everybody_can_run_what_its_owner_can(tmp_path, program):
    found = {member.name: oct(member.mode) for member in layer(make(tmp_path, program))}
    assert found == {"ko-app": "0o755", "tmp": "0o1777", "ko-app/thing": "0o755"}


def test_a_file_under_two_names_takes_its_room_once(tmp_path, program):
    image = make(tmp_path, program, files={"/bin/sh": program, "/bin/cp": program})
    assert [(member.name, member.linkname) for member in layer(image) if not member.isdir()] == [
        ("bin/cp", ""),
        ("bin/sh", "bin/cp"),
    ]


def test_the_same_files_give_the_same_bytes(tmp_path, program):
    first = make(tmp_path, program).read_bytes()
    program.touch()
    assert make(tmp_path, program).read_bytes() == first


def test_a_missing_program_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(BadInputError, match="thing is to be in an image"):
        make(tmp_path, tmp_path / "thing")
    assert list(tmp_path.iterdir()) == []
