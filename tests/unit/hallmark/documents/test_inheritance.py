"""Organisation, team, model: each level may only tighten what a higher one names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from hallmark.documents.inheritance import MAXIMUM_LEVELS, marker_of, sections_of
from hallmark.documents.loading import Document
from hallmark.documents.policy import Policy, load_policy, policy_digest
from hallmark.documents.tighter import Tighter
from hallmark.errors import BadInputError

SAMPLE = Path(__file__).parents[4] / "samples/iris/validators/policy/policy.yaml"
HEAD = "apiVersion: hallmark.dev/v1alpha1\nkind: Policy\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample's policy, which extends team.yaml, which extends organisation.yaml: both without rules yet."""
    (tmp_path / "policy.yaml").write_text(f"extends: team.yaml\n{SAMPLE.read_text()}")
    (tmp_path / "team.yaml").write_text(f"{HEAD}extends: organisation.yaml\n")
    (tmp_path / "organisation.yaml").write_text(HEAD)
    return tmp_path


def policy_of(folder: Path, organisation: str, model: str = "", team: str = "") -> Policy:
    """The policy, with rules added to each level; `model` replaces the sample's rules but for `data` and `model`."""
    (folder / "organisation.yaml").write_text(f"{HEAD}{organisation}\n")
    (folder / "team.yaml").write_text(f"{HEAD}extends: organisation.yaml\n{team}\n")
    lines = SAMPLE.read_text()
    kept = f"{HEAD}extends: team.yaml\nmetadata: {{name: iris}}\n" + "".join(_section(lines, "data", "model"))
    (folder / "policy.yaml").write_text(f"{kept}{model}\n")
    return load_policy(folder)


def _section(text: str, *names: str) -> Iterator[str]:
    """The lines of some top-level keys."""
    wanted = False
    for line in text.splitlines(keepends=True):
        if line[:1].isalpha():
            wanted = line.split(":")[0] in names
        if wanted:
            yield line


def refused(folder: Path, organisation: str, model: str, team: str = "") -> str:
    with pytest.raises(BadInputError) as caught:
        policy_of(folder, organisation, model, team)
    return caught.value.message


def test_a_level_inherits_what_it_does_not_name(folder: Path) -> None:
    policy = policy_of(folder, "code: {minimumCoverage: 80, bandit: {severity: low}}", team="image: {rows: 500}")
    assert (policy.code.minimum_coverage, policy.code.bandit.severity, policy.image.rows) == (80, "low", 500)
    assert policy.code.bandit.confidence == "medium"
    assert policy.extends == "team.yaml"


def test_a_looser_value_is_refused_with_both_places(folder: Path) -> None:
    said = refused(folder, "code:\n  minimumCoverage: 80", "code: {minimumCoverage: 79.5}")
    line = (folder / "policy.yaml").read_text().splitlines().index("code: {minimumCoverage: 79.5}") + 1
    assert said == (
        f"policy.yaml:{line}:25: code.minimumCoverage is 79.5, but organisation.yaml:4:20 asks for at least 80"
    )


def test_all_looser_values_are_named_at_once(folder: Path) -> None:
    said = refused(folder, "image: {rows: 9, readyWithin: 5}", "image: {rows: 8, readyWithin: 6}")
    assert "image.rows is 8" in said
    assert "image.readyWithin is 6" in said


def test_the_middle_level_binds_too(folder: Path) -> None:
    said = refused(folder, "image: {rows: 100}", "image: {rows: 200}", team="image: {rows: 300}")
    assert "but team.yaml:4:15 asks for at least 300" in said
    assert "team.yaml" in refused(folder, "image: {rows: 100}", "", team="image: {rows: 99}").partition(":")[0]


ONE, TWO, THREE = (f"sha256:{letter * 64}" for letter in "123")
CASES = [
    ("code: {minimumCoverage: 80}", "code: {minimumCoverage: 80}", "code: {minimumCoverage: 79}"),
    ("image: {maximumMismatches: 2}", "image: {maximumMismatches: 0}", "image: {maximumMismatches: 3}"),
    ("signing: {validFor: 90}", "signing: {validFor: 30}", "signing: {validFor: 91}"),
    ("signing: {validFor: 90}", "signing: {validFor: 90}", "signing: {validFor: null}"),
    ("signing: {validFor: null}", "signing: {validFor: 30}", ""),
    ("code: {bandit: {severity: medium}}", "code: {bandit: {severity: low}}", "code: {bandit: {severity: high}}"),
    ("code: {secrets: {enabled: true}}", "code: {secrets: {enabled: true}}", "code: {secrets: {enabled: false}}"),
    ("code: {secrets: {enabled: false}}", "code: {secrets: {enabled: true}}", ""),
    ("code: {allowSuppressions: false}", "code: {allowSuppressions: false}", "code: {allowSuppressions: true}"),
    ("code: {bandit: {skip: [B101, B102]}}", "code: {bandit: {skip: [B102]}}", "code: {bandit: {skip: [B103]}}"),
    ("code: {ruff: {select: [F]}}", "code: {ruff: {select: [S, F]}}", "code: {ruff: {select: [S]}}"),
    (
        "requiredGates: [check-code, test-image]",
        "requiredGates: [test-image, check-code, test-code]",
        "requiredGates: [check-code]",
    ),
    ("source: {repositories: ['https://a', 'https://b']}", "source: {repositories: ['https://a']}", ""),
    ("source: {repositories: ['https://a']}", "", "source: {repositories: []}"),
    ("source: {repositories: ['https://a']}", "", "source: {repositories: ['https://b']}"),
    ("source: {repositories: []}", "source: {repositories: ['https://a']}", ""),
    (f"image: {{bases: [{ONE}, {TWO}]}}", f"image: {{bases: [{TWO}]}}", f"image: {{bases: [{ONE}, {THREE}]}}"),
    ("metadata: {name: iris}", "", "metadata: {name: wine}"),
    ("signing: {publicKeys: [a.pub, b.pub]}", "signing: {publicKeys: [b.pub]}", "signing: {publicKeys: [c.pub]}"),
    ("code: {lock: {files: [a.lock]}}", "code: {lock: {files: [a.lock]}}", "code: {lock: {files: []}}"),
    ("code: {baseline: null}", "code: {baseline: null}", "code: {baseline: mine.yaml}"),
]


@pytest.mark.parametrize(("above", "tight", "loose"), CASES)
def test_a_lower_level_may_tighten_and_never_loosen(folder: Path, above: str, tight: str, loose: str) -> None:
    if tight:
        policy_of(folder, above, tight)
    if loose:
        file = folder / "policy.yaml"
        policy_of(folder, "", "")
        text = file.read_text()
        key = loose.partition(":")[0]
        kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}:"))
        file.write_text(f"{kept}{loose}\n")
        (folder / "organisation.yaml").write_text(f"{HEAD}{above}\n")
        with pytest.raises(BadInputError, match=r"policy\.yaml:\d+:\d+: .* but organisation\.yaml:3:\d+ asks for"):
            load_policy(folder)


def test_independent_data_that_a_higher_level_names_stays(folder: Path) -> None:
    assert "data.independent.label is" in refused(folder, "data: {independent: {label: colour}}", "")


@pytest.mark.parametrize(
    ("organisation", "what"),
    [
        ("code: {minimumCoverage: eighty}", "organisation.yaml:3:8: code.minimumCoverage"),
        ("code: {minimunCoverage: 80}", "organisation.yaml:3:8: unknown key code.minimunCoverage"),
        ("code: {minimumCoverage: 800}", "must be at most 100"),
        ("requiredGates: [nothing]", "organisation.yaml:3:17"),
        ("data: {independent: {path: ../x}}", "must be a path inside"),
    ],
)
def test_a_mistake_in_a_higher_level_is_told_with_its_place_also_where_a_lower_one_has_its_own_value(
    folder: Path, organisation: str, what: str
) -> None:
    assert what in refused(folder, organisation, "code: {minimumCoverage: 90}")


@pytest.mark.parametrize("path", ["../organisation.yaml", "/etc/passwd", "levels/../../x", "..", ""])
def test_a_level_outside_the_policys_folder_is_refused(folder: Path, path: str) -> None:
    (folder.parent / "organisation.yaml").write_text(HEAD)
    (folder / "team.yaml").write_text(f"{HEAD}extends: '{path}'\n")
    with pytest.raises(BadInputError, match=r"team\.yaml:3:10: extends: .*(leads out of|there is no)"):
        load_policy(folder)


def test_a_link_out_of_the_policys_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "organisation.yaml"
    outside.write_text(HEAD)
    (folder / "organisation.yaml").unlink()
    (folder / "organisation.yaml").symlink_to(outside)
    with pytest.raises(BadInputError, match="leads out of"):
        load_policy(folder)


def test_levels_may_lie_in_folders_and_a_configmap(folder: Path) -> None:
    (folder / "bank").mkdir()
    (folder / "bank/organisation.yaml").write_text(f"{HEAD}image: {{rows: 77}}\n")
    (folder / "bank/teams").mkdir()
    (folder / "bank/teams/team.yaml").write_text(f"{HEAD}extends: ../organisation.yaml\n")
    (folder / "policy.yaml").write_text(f"extends: bank/teams/team.yaml\n{SAMPLE.read_text()}")
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(
        "".join(_section(text, "extends", "apiVersion", "kind", "metadata", "data", "model"))
    )
    assert load_policy(folder).image.rows == 77
    mounted = folder / "mounted"
    (mounted / "..data").mkdir(parents=True)
    for name in ("policy.yaml", "organisation.yaml"):
        (mounted / name).symlink_to(f"..data/{name}")
    (mounted / "..data/policy.yaml").write_text(text.replace("bank/teams/team.yaml", "organisation.yaml"))
    (mounted / "..data/organisation.yaml").write_text(HEAD)
    assert load_policy(mounted).extends == "organisation.yaml"


def test_a_policy_that_extends_itself_or_too_many_is_refused(folder: Path) -> None:
    (folder / "organisation.yaml").write_text(f"{HEAD}extends: team.yaml\n")
    with pytest.raises(BadInputError, match=r"organisation\.yaml:3:10: team\.yaml extends itself"):
        load_policy(folder)
    for number in range(MAXIMUM_LEVELS):
        (folder / f"{number}.yaml").write_text(f"{HEAD}extends: {number + 1}.yaml\n")
    (folder / f"{MAXIMUM_LEVELS}.yaml").write_text(HEAD)
    (folder / "policy.yaml").write_text(f"extends: 0.yaml\n{SAMPLE.read_text()}")
    with pytest.raises(BadInputError, match="is level 6"):
        load_policy(folder)


def test_a_missing_level_is_refused(folder: Path) -> None:
    (folder / "organisation.yaml").unlink()
    with pytest.raises(BadInputError, match=r"team\.yaml:3:10: extends: there is no organisation\.yaml"):
        load_policy(folder)


def test_a_changed_level_is_another_policy(folder: Path) -> None:
    before = policy_digest(folder)
    (folder / "organisation.yaml").write_text(f"{HEAD}image: {{rows: 50}}\n")
    assert policy_digest(folder) != before


def test_merged_keys_are_refused_since_they_could_hide_a_looser_value(folder: Path) -> None:
    (folder / "organisation.yaml").write_text(f"{HEAD}image: {{rows: 50}}\n")
    (folder / "policy.yaml").write_text(f"extends: organisation.yaml\n{SAMPLE.read_text()}\nsource: {{<<: {{}}}}\n")
    with pytest.raises(BadInputError, match="this key is no plain text"):
        load_policy(folder)


def _unmarked(document: type[Document], at: str = "") -> Iterator[str]:
    """The keys of a document, and of those in it, that nobody marked; entries of lists are compared whole."""
    for name, field in document.model_fields.items():
        path, marker = f"{at}{name}", marker_of(field)
        sections = sections_of(field.annotation)
        if marker is None and not sections:
            yield path
        if marker is Tighter.EACH:
            values: Any = get_args(field.annotation)[1]
            assert get_origin(field.annotation) is dict, f"{path}: only the entries of a dict are compared each"
            sections = sections_of(values)
        if marker in (None, Tighter.EACH):
            for section in sections:
                yield from _unmarked(section, f"{path}.")


def test_every_key_of_a_policy_says_what_tighter_means() -> None:
    assert list(_unmarked(Policy)) == []


def _fields(document: type[Document]) -> Iterator[tuple[str, Any]]:
    for name, field in document.model_fields.items():
        yield name, field
        for section in sections_of(field.annotation):
            yield from _fields(section)


def test_a_key_that_has_an_order_is_marked_with_one_that_fits_its_type() -> None:
    """A marker of the wrong kind would compare a list as a number."""
    kinds: dict[Tighter, tuple[str, ...]] = {
        Tighter.HIGHER: ("int", "float"),
        Tighter.LOWER: ("int", "float"),
        Tighter.ON: ("bool",),
        Tighter.OFF: ("bool",),
        Tighter.FEWER: ("list",),
        Tighter.FEWER_OF_ALL: ("list",),
        Tighter.MORE: ("list",),
        Tighter.EARLIER: ("Literal",),
    }
    for name, field in _fields(Policy):
        marker = marker_of(field)
        if marker in kinds:
            assert any(kind in str(field.annotation) for kind in kinds[marker]), name
