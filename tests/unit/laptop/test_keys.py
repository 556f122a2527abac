from __future__ import annotations

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.process import run
from laptop import keys


def test_a_generated_key_signs_and_its_public_key_verifies(real_cosign, tmp_path):
    pair = keys.ensure(tmp_path / "keys", real_cosign)
    (tmp_path / "blob").write_text("content")
    environment = {"COSIGN_PASSWORD": pair.password.read_text()}
    signing = ["sign-blob", "--yes", "--tlog-upload=false", "--key", str(pair.private)]
    signature = run([str(real_cosign), *signing, str(tmp_path / "blob")], env=environment, cwd=tmp_path).stdout.strip()
    checking = ["verify-blob", "--insecure-ignore-tlog=true", "--key", str(pair.public), "--signature", signature]
    run([str(real_cosign), *checking, str(tmp_path / "blob")], cwd=tmp_path)
    (tmp_path / "blob").write_text("another content")
    with pytest.raises(ToolFailedError):
        run([str(real_cosign), *checking, str(tmp_path / "blob")], cwd=tmp_path)


def test_a_second_call_keeps_the_pair(real_cosign, tmp_path):
    pair = keys.ensure(tmp_path / "keys", real_cosign)
    before = [path.read_bytes() for path in (pair.private, pair.public, pair.password)]
    assert keys.ensure(tmp_path / "keys", real_cosign) == pair
    assert [path.read_bytes() for path in (pair.private, pair.public, pair.password)] == before
    assert len(list((tmp_path / "keys").iterdir())) == 3


def test_secrets_are_their_owners_alone(real_cosign, tmp_path):
    pair = keys.ensure(tmp_path / "keys", real_cosign)
    assert [path.stat().st_mode & 0o777 for path in (pair.private, pair.password)] == [0o600, 0o600]
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_the_password_is_not_on_the_command_line(fake, tmp_path):
    calls = fake("cosign", 'echo "$*" >> "$CALLS"\necho "$COSIGN_PASSWORD" > cosign.key\ntouch cosign.pub')
    pair = keys.ensure(tmp_path / "keys", tmp_path / "fake-bin" / "cosign")
    password = pair.password.read_text()
    assert len(password) >= 32
    assert pair.private.read_text().strip() == password
    assert calls.read_text() == "generate-key-pair\n"


def test_a_part_of_a_pair_is_bad_input(real_cosign, tmp_path):
    pair = keys.ensure(tmp_path / "keys", real_cosign)
    pair.public.unlink()
    with pytest.raises(BadInputError, match=r"cosign\.key and cosign\.password only"):
        keys.ensure(tmp_path / "keys", real_cosign)


def test_nothing_stays_when_cosign_fails(fake, tmp_path):
    fake("cosign", "exit 1")
    with pytest.raises(ToolFailedError):
        keys.ensure(tmp_path / "keys", tmp_path / "fake-bin" / "cosign")
    assert list((tmp_path / "keys").iterdir()) == []
