"""Results: byte-exact, typed, and within what a termination message carries."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.host.results import check_size, message_size, missing_keys, read, typed
from tkn_solo.model import PropertySpec, ResultSpec


def specs(*names: str, kind: str = "string") -> list[ResultSpec]:
    return [ResultSpec(name=name, type=kind) for name in names]


def test_bytes_are_kept_and_missing_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"  x\n\n")
    (tmp_path / "b").write_bytes(b"\xff")
    assert read(tmp_path, "", specs("a", "b", "gone")) == {"a": "  x\n\n", "b": "\ufffd"}


def test_only_declared_regular_files_are_results(tmp_path: Path) -> None:
    (tmp_path / "undeclared").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    assert read(tmp_path, "", specs("folder", "link", "fifo")) == {}


def test_a_folder_that_was_made_a_link_gives_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_text("stolen")
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "results").symlink_to(elsewhere)
    assert read(tmp_path, "step/results", specs("a")) == {}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("text", "string", "text"),
        ('["a","b"]\n', "array", ("a", "b")),
        ('{"a": "1"}', "object", {"a": "1"}),
    ],
)
def test_arrays_and_objects_are_parsed(text: str, kind: str, value: object) -> None:
    assert typed({"r": text}, specs("r", kind=kind)) == ({"r": value}, {})


@pytest.mark.parametrize(("text", "kind"), [("x", "array"), ('["a", 1]', "array"), ('["a"]', "object"), ("", "array")])
def test_another_type_than_declared_is_told(text: str, kind: str) -> None:
    values, wrong = typed({"r": text}, specs("r", kind=kind))
    assert values == {}
    assert f'expected to be "{kind}" type' in wrong["r"]


def test_an_object_must_have_its_declared_keys() -> None:
    spec = ResultSpec(name="o", type="object", properties={"a": PropertySpec(), "b": PropertySpec()})
    assert missing_keys({"o": {"a": "1"}}, [spec]) == {"o": ["b"]}


def test_the_message_is_as_long_as_gos_encoder_makes_it() -> None:
    encoded = (
        r'[{"key":"a","value":"\u003cé\"\n","type":1},'
        r'{"key":"s","value":"","type":4},'
        r'{"key":"StartedAt","value":"t","type":3}]'
    )
    assert message_size({"a": '<é"\n'}, {"s": ""}, {"StartedAt": "t"}) == len(encoded.encode())


@given(st.text())
def test_the_message_is_never_shorter_than_plain_json(value: str) -> None:
    plain = json.dumps([{"key": "a", "value": value, "type": 1}], separators=(",", ":"), ensure_ascii=False)
    size = message_size({"a": value}, {}, {})
    assert size >= len(plain.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    ("size", "containers", "fits"),
    [(4096, 3, True), (4097, 3, False), (4096, 4, False), (3072, 4, True), (1024, 12, True), (1025, 12, False)],
)
def test_all_containers_of_a_pod_share_twelve_kilobytes(size: int, containers: int, fits: bool) -> None:
    assert (check_size(size, containers) is None) is fits
