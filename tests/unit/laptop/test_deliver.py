from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from laptop.deliver import SAMPLE, SAMPLES, chosen
from laptop.delivery import Sides


def sides(folder: Path) -> Sides:
    return Sides(repository=folder / "repository", validators=folder / "validators", config=folder / "config")


def test_without_any_folder_the_sample_is_delivered() -> None:
    assert chosen(None, None, None) == sides(SAMPLE)


def test_another_sample_is_judged_by_its_own_policy() -> None:
    assert chosen(SAMPLES / "census/repository", None, None) == sides(SAMPLES / "census")


def test_a_model_of_ones_own_needs_its_validators_and_its_operators(tmp_path: Path) -> None:
    own = shutil.copytree(SAMPLE, tmp_path / "own")
    with pytest.raises(BadInputError, match="without VALIDATORS and CONFIG") as caught:
        chosen(own / "repository", None, None)
    assert "MODEL=... VALIDATORS=... CONFIG=..." in caught.value.solution
    with pytest.raises(BadInputError, match="without CONFIG"):
        chosen(own / "repository", own / "validators", None)
    assert chosen(own / "repository", own / "validators", own / "config") == sides(own)


def test_a_policy_of_another_model_is_told_before_anything_is_set_up(tmp_path: Path) -> None:
    own = shutil.copytree(SAMPLE, tmp_path / "own")
    file = own / "repository/hallmark.yaml"
    file.write_text(file.read_text().replace("name: iris", "name: mine"))
    with pytest.raises(BadInputError, match=r"hallmark\.yaml describes mine, but the policy is for iris"):
        chosen(own / "repository", SAMPLE / "validators", SAMPLE / "config")
