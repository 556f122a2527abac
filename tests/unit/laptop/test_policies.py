"""What of a policy is made to fit the machine that a model is tried on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hallmark.documents.policy import load_policy
from laptop.policies import have_base, have_production_at

SAMPLE = Path(__file__).parents[3] / "samples/iris/validators/policy"
MADE = f"127.0.0.1:5000/base/python-sklearn@sha256:{'a' * 64}"
NAMED = f"registry.example.com/base/python-sklearn@sha256:{'0' * 64}"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLE, tmp_path / "policy")
    return tmp_path / "policy"


def test_the_machines_own_base_and_repository_take_the_places_of_the_samples(policy: Path) -> None:
    assert load_policy(policy).image.bases == [NAMED]
    have_production_at(policy, "http://127.0.0.1:1/config.git")
    have_base(policy, MADE, environment={})
    changed = load_policy(policy)
    assert changed.image.bases == [MADE]
    assert changed.model.champion is not None
    assert [place.repository for place in changed.model.champion.production] == ["http://127.0.0.1:1/config.git"]


def test_bases_of_a_higher_level_are_replaced_too_and_a_digest_alone_is_no_part_of_a_reference(policy: Path) -> None:
    head = "apiVersion: hallmark.dev/v1alpha1\nkind: Policy\n"
    bases = f"[{NAMED}, 'sha256:{'0' * 64}', 'sha256:{'1' * 64}']"
    (policy / "organisation.yaml").write_text(f"{head}image: {{bases: {bases}}}\n")
    file = policy / "policy.yaml"
    file.write_text(f"extends: organisation.yaml\n{file.read_text()}".replace(f"  bases: [{NAMED}]\n", ""))
    have_base(policy, MADE, environment={})
    assert (policy / "organisation.yaml").read_text() == f"{head}image: {{bases: [{MADE}, '{MADE}', '{MADE}']}}\n"


def test_a_base_that_somebody_names_has_to_be_named_by_the_policy(policy: Path) -> None:
    before = (policy / "policy.yaml").read_text()
    have_base(policy, f"x.io/base@sha256:{'b' * 64}", environment={"BASE_IMAGE": "x.io/base:1"})
    assert (policy / "policy.yaml").read_text() == before


def test_a_policy_that_names_no_bases_or_this_one_stays_as_it_is(policy: Path) -> None:
    file = policy / "policy.yaml"
    for text in ("", f"  bases: ['sha256:{'a' * 64}']\n"):
        file.write_text(SAMPLE.joinpath("policy.yaml").read_text().replace(f"  bases: [{NAMED}]\n", text))
        before = file.read_text()
        have_base(policy, MADE, environment={})
        assert file.read_text() == before
