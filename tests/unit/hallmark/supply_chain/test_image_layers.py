"""Finding a file in layers by its digest: nothing else in an archive counts, and nothing in it costs without bounds."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from hallmark.image_layers import Bounds, find, take_out

MODEL = b"a model" * 1000
DIGEST = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"


def member(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def written(folder: Path, *layers: bytes) -> list[Path]:
    files = []
    for number, data in enumerate(layers):
        files.append(folder / f"layer-{number}")
        files[-1].write_bytes(data)
    return files


OTHER = layer(member("usr/bin/python", b"other"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["app/model/model.skops", "../../etc/passwd", "/dev/null", "x" * 300])
def test_the_model_is_found_by_its_digest_wherever_it_lies(tmp_path: Path, pack: type[bytes], name: str) -> None:
    above = layer(member("app"), member(name, MODEL), member("app/api.py", b"code"))
    layers = written(tmp_path, pack(OTHER), pack(above), pack(OTHER))
    found = find(layers, DIGEST, Bounds())
    assert (found.layer, found.entry, found.size) == (2, 1, len(MODEL))
    take_out(layers, found, DIGEST, tmp_path / "out" / "model", Bounds())
    assert (tmp_path / "out" / "model").read_bytes() == MODEL
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]


def test_the_top_layer_comes_first(tmp_path: Path) -> None:
    layers = written(tmp_path, layer(member("old", MODEL)), layer(member("new", MODEL)))
    assert find(layers, DIGEST, Bounds()).layer == 2


def test_what_is_no_regular_file_with_that_digest_is_not_the_model(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(MODEL)
    layers = written(
        tmp_path,
        layer(
            member("model.skops", MODEL[:-1]),
            member("link", type=tarfile.SYMTYPE, linkname=str(tmp_path / "outside")),
            member("hard", type=tarfile.LNKTYPE, linkname=str(tmp_path / "outside")),
            member("device", type=tarfile.CHRTYPE),
            member("pipe", type=tarfile.FIFOTYPE),
            member("sha256:" + DIGEST),
        ),
    )
    with pytest.raises(BadInputError, match="none of the image's 1 layers has a file with the digest"):
        find(layers, DIGEST, Bounds())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(100), "packed by zstd"),
        (b"no archive" * 100, "damaged"),
        (gzip.compress(layer(member("m", b"x" * 5000)))[:60], "damaged"),
        (layer(member("model", b"x" * 5000))[:2000], "damaged"),
        (b"\x1f\x8bnonsense", "damaged"),
    ],
    ids=["zstd", "text", "half-gzip", "half-tar", "gzip-of-nonsense"],
)
def test_a_layer_that_cannot_be_read_is_never_taken_for_an_empty_one(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        find(written(tmp_path, layer(member("model", MODEL)), data), DIGEST, Bounds())


def test_a_bomb_ends_at_the_bound(tmp_path: Path) -> None:
    bomb = gzip.compress(layer(member("zeros", bytes(64 << 20))))
    assert len(bomb) < 100_000
    with pytest.raises(BadInputError, match="hold more than is looked through: after 1048576 bytes"):
        find(written(tmp_path, bomb), DIGEST, Bounds(unpacked_bytes=1 << 20))


def test_looking_ends_when_its_time_is_over(tmp_path: Path) -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, 1.0, 3.0)
        while True:
            yield 11.0

    ticks = clock()
    layers = written(tmp_path, layer(member("zeros", bytes(64 << 20))))
    with pytest.raises(BadInputError, match="after 10 seconds"):
        find(layers, DIGEST, Bounds(seconds=10), clock=lambda: next(ticks))


def test_a_file_that_is_too_large_is_not_looked_at(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="none of the image's"):
        find(written(tmp_path, layer(member("model", MODEL))), DIGEST, Bounds(file_bytes=len(MODEL) - 1))


def test_a_header_without_bounds_is_not_taken_into_memory(tmp_path: Path) -> None:
    name = member("././@LongLink", b"n" * (2 << 20), type=tarfile.GNUTYPE_LONGNAME)
    with pytest.raises(BadInputError, match="damaged, or no tar archive that is read here: ReadError"):
        find(written(tmp_path, layer(name, member("model", MODEL))), DIGEST, Bounds())


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_headers_of_headers_without_end_are_a_damaged_layer(tmp_path: Path, kind: bytes) -> None:
    info, data = member("x", b"12 path=abc\n", type=kind)
    header = info.tobuf(tarfile.USTAR_FORMAT) + data.ljust(tarfile.BLOCKSIZE, b"\0")
    with pytest.raises(BadInputError, match="RecursionError"):
        find(written(tmp_path, header * 3000), DIGEST, Bounds())


def test_a_layer_that_changes_between_finding_and_taking_is_noticed(tmp_path: Path) -> None:
    layers = written(tmp_path, layer(member("model", MODEL)))
    found = find(layers, DIGEST, Bounds())
    layers[0].write_bytes(layer(member("model", MODEL[::-1])))
    with pytest.raises(BadInputError, match="the model in the image was changed on the way"):
        take_out(layers, found, DIGEST, tmp_path / "model", Bounds())
    layers[0].write_bytes(layer())
    with pytest.raises(BadInputError, match="changed while they were read"):
        take_out(layers, found, DIGEST, tmp_path / "model", Bounds())
    assert not (tmp_path / "model").exists()
