"""Manifests and configurations that Go and Python would read differently are read by nobody."""

from __future__ import annotations

import json

import pytest

from hallmark.commands import scan_image
from hallmark.errors import BadInputError
from hallmark.oci_json import parse

PLAIN = {
    "architecture": "amd64",
    "config": {"User": "1001", "Labels": {"user": "x", "User": "y", "Config": "z"}, "Healthcheck": {"Test": ["NONE"]}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:0"]},
    "history": [{"created": "2026-01-01T00:00:00Z", "empty_layer": True}],
    "container_config": {"User": ""},
}


def test_what_tools_write_is_read_as_it_is() -> None:
    assert parse(json.dumps(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        '{"config": {"User": "1001"}, "Config": {"User": "0"}}',
        '{"Config": {"User": "0"}}',
        '{"config": {"User": "1001", "user": "0"}}',
        '{"config": {"User": "1001", "User": "0"}}',
        '{"rootfs": {"diff_ids": ["a"]}, "RootFS": {"diff_ids": ["b"]}}',
        '{"rootfs": {"diff_ids": ["a"], "Diff_IDs": ["b"]}}',
        '{"layers": [{"digest": "a", "Digest": "b"}]}',
        '{"layer\u017f": []}',
        '{"manifests": [{"platform": {"OS": "linux"}}]}',
        '{"config": {"Labels": {"a": {"user": "0"}}}}',
        "[" * 100_000,
    ],
)
def test_a_name_that_is_spelled_otherwise_or_stands_twice_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse(text)


def test_the_scan_reads_no_such_configuration() -> None:
    with pytest.raises(BadInputError, match="'Config' stands for 'config'"):
        scan_image._object(b'{"config": {"User": "1001"}, "Config": {"User": "0"}}')
