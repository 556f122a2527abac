"""The signing key's folder, before anybody opens what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from hallmark.key_folder import private_key


@pytest.mark.parametrize("name", ["cosign.password", "key-uri"])
def test_a_key_s_folder_with_other_bytes_than_text_is_bad_input(name: str, tmp_path: Path) -> None:
    first = "cosign.key" if name == "cosign.password" else "key-uri"
    for file in (first, "cosign.password", "policies"):
        (tmp_path / file).write_text("x")
    (tmp_path / name).write_bytes(b"geheim\xff")
    with pytest.raises(BadInputError, match=f"{name} in the signing key's folder cannot be read") as caught:
        private_key(tmp_path)
    assert "geheim" not in str(caught.value)
    # Nor may a traceback show it.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
