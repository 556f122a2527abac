"""JSON in which a key stands twice is read by nobody, and the key is named."""

from __future__ import annotations

import json

import pytest

from hallmark import unique_json


def test_what_has_every_key_once_is_read_as_it_is() -> None:
    text = '{"a": {"a": 1, "b": [{"a": 2}, {"a": 3}]}, "": null}'
    assert unique_json.loads(text) == unique_json.loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "'a'"),
        ('[{"a": {"b": 1, "b": 2}}]', "'b'"),
        (r'{"a": 1, "\u0061": 2}', "'a'"),
        (r'{"\u001b[31m": 1, "\u001b[31m": 2}', r"'\x1b[31m'"),
        (f'{{"{"x" * 99}": 1, "{"x" * 99}": 2}}', f"'{'x' * 40}'"),
    ],
)
def test_a_key_that_stands_twice_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="stands twice") as caught:
        unique_json.loads(text)
    assert str(caught.value) == f"the key {named} stands twice in one object"
