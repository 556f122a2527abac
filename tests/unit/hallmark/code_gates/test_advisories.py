"""Known vulnerabilities: OSV's rules of what is affected, the database's own mistakes, and the policy's exceptions."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from hallmark.code_gate import advisories, cvss
from hallmark.code_gate.locks import Locked
from hallmark.documents.rules_code import Vulnerabilities
from hallmark.errors import BadInputError
from hallmark.files import sha256_file

Run = Callable[..., Any]

TODAY = datetime.datetime.now(datetime.UTC).date()


def entry(name: str = "GHSA-1", package: str = "coin", **values: Any) -> dict[str, Any]:
    affected: dict[str, Any] = {"package": {"ecosystem": "PyPI", "name": package}}
    for key in ("versions", "ranges", "severity"):
        if key in values:
            affected[key] = values.pop(key)
    return {"id": name, "modified": f"{TODAY}T10:00:00Z", "summary": "It is bad", "affected": [affected], **values}


def between(*events: dict[str, str], kind: str = "ECOSYSTEM") -> list[dict[str, Any]]:
    return [{"type": kind, "events": list(events)}]


def folder_of(folder: Path, *entries: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(entries):
        (folder / f"{number}.json").write_text(one if isinstance(one, str) else json.dumps(one))
    return folder


def known(folder: Path, *entries: Any, package: str = "coin", version: str = "1.0", **rules: Any) -> advisories.Known:
    database = advisories.load(folder_of(folder / "osv", *entries))
    policy = Vulnerabilities.model_validate_json(json.dumps({"enabled": True, **rules}))
    locked = Locked(name=package, version=version, file="uv.lock", line=7)
    return advisories.look_up([locked], database, policy, today=TODAY)


# What the advisories themselves say in words: the first and the last affected version, and the first that is not.
REAL = [
    ("requests", "CVE-2023-32681", [("2.3.0", "2.31.0")], ["2.3.0", "2.30.0", "2.31.0rc1"], ["2.2.1", "2.31.0", "3"]),
    ("jinja2", "CVE-2024-22195", [("0", "3.1.3")], ["0.1", "2.10", "3.1.2"], ["3.1.3", "3.1.10"]),
    ("urllib3", "CVE-2023-45803", [("0", "1.26.18"), ("2.0.0", "2.0.7")], ["1.26.17", "2.0.6"], ["1.26.18", "2.0.7"]),
    ("pillow", "CVE-2023-50447", [("0", "10.2.0")], ["10.1.0", "9.5"], ["10.2.0", "11"]),
    ("torch", "CVE-2025-32434", [("0", "2.6.0")], ["2.5.1", "2.5.1+cu124", "1.13"], ["2.6.0", "2.6.0+cu124"]),
]


@pytest.mark.parametrize(("package", "name", "ranges", "bad", "good"), REAL)
def test_real_advisories_meet_the_versions_that_they_name(
    tmp_path: Path, package: str, name: str, ranges: list[tuple[str, str]], bad: list[str], good: list[str]
) -> None:
    events = [{kind: text} for first, fixed in ranges for kind, text in (("introduced", first), ("fixed", fixed))]
    advisory = entry(name, package, ranges=between(*events))
    for version in bad:
        (finding,) = known(tmp_path, advisory, package=package, version=version).findings
        assert (finding.rule, finding.file, finding.line) == (name, "uv.lock", 7)
        assert version in finding.message
    for version in good:
        assert known(tmp_path, advisory, package=package, version=version).findings == ()


VERSIONS = st.builds(
    lambda release, tail: ".".join(map(str, release)) + tail,
    st.lists(st.integers(0, 4), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "a1", "rc2", ".post1", ".dev3"]),
)


@given(st.lists(VERSIONS, min_size=2, max_size=8, unique_by=Version), VERSIONS, st.booleans(), st.randoms())
def test_a_range_is_the_union_of_its_intervals_in_any_order(
    bounds: list[str], version: str, last: bool, random: Any
) -> None:
    """An oracle that goes through intervals, where the code goes through events as OSV's text does."""
    bounds = sorted(bounds, key=Version)
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    end = "last_affected" if last else "fixed"
    events = [event for first, final in pairs for event in ({"introduced": first}, {end: final})]
    random.shuffle(events)
    whole = entry(ranges=between(*events))
    advisory = advisories._advisory(whole, whole["affected"][0])
    wanted = Version(version)
    inside = [
        (first == "0" or Version(first) <= wanted) and (wanted <= Version(final) if last else wanted < Version(final))
        for first, final in pairs
    ]
    assert advisories.affects(advisory, version) is any(inside)


@pytest.mark.parametrize(
    ("values", "version", "met"),
    [
        ({"versions": ["1.0", "1.1"]}, "1.0", True),
        ({"versions": ["1.0"]}, "1.0.0", True),
        ({"versions": ["1.0"]}, "1.0+local", True),
        ({"versions": ["1.0"]}, "1.2", False),
        ({"versions": ["old-and-odd"]}, "1.0", False),
        ({"ranges": between({"introduced": "0"})}, "0.0.dev1", True),
        ({"ranges": between({"introduced": "0"}, {"limit": "1.0"})}, "1.0", False),
        ({"ranges": between({"introduced": "0"}, {"limit": "*"})}, "1.0", True),
        ({"ranges": between({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.0"})}, "1.0", True),
        ({"ranges": between({"introduced": "abc"}, kind="GIT")}, "1.0", False),
        ({"ranges": between({"introduced": "0"}), "withdrawn": "2024-01-01T00:00:00Z"}, "1.0", False),
        ({}, "1.0", False),
    ],
)
def test_what_is_affected(tmp_path: Path, values: dict[str, Any], version: str, met: bool) -> None:
    other = entry("GHSA-2", "other", versions=["1"])
    assert bool(known(tmp_path, entry(**values), other, version=version).findings) is met


def test_names_are_compared_in_their_normal_form(tmp_path: Path) -> None:
    advisory = entry(package="Coin_Toss", versions=["1.0"])
    assert known(tmp_path, advisory, package="coin-toss").findings


def test_another_ecosystems_package_of_the_same_name_is_another(tmp_path: Path) -> None:
    advisory = entry(versions=["1.0"])
    advisory["affected"][0]["package"]["ecosystem"] = "npm"
    assert known(tmp_path, advisory, entry("GHSA-2", versions=["2"])).findings == ()


def test_aliases_are_one_finding_with_the_worst_severity(tmp_path: Path) -> None:
    first = entry("GHSA-1", versions=["1.0"], aliases=["CVE-1"], database_specific={"severity": "LOW"})
    second = entry("PYSEC-1", versions=["1.0"], aliases=["CVE-1"], database_specific={"severity": "HIGH"})
    (finding,) = known(tmp_path, first, second, severity="high").findings
    assert finding.rule == "GHSA-1"
    assert "CVE-1, PYSEC-1" in finding.message
    assert "high severity" in finding.message


@pytest.mark.parametrize(
    ("values", "limit", "met"),
    [
        ({"database_specific": {"severity": "MODERATE"}}, "medium", True),
        ({"database_specific": {"severity": "MODERATE"}}, "high", False),
        (
            {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]},
            "critical",
            True,
        ),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]}, "medium", False),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, "critical", True),
        ({}, "critical", True),
    ],
)
def test_the_policys_severity_counts_and_an_unknown_one_always_does(
    tmp_path: Path, values: dict[str, Any], limit: str, met: bool
) -> None:
    found = known(tmp_path, entry(versions=["1.0"], **values), severity=limit)
    assert (bool(found.findings), found.below) == (met, int(not met))


def test_malware_is_critical(tmp_path: Path) -> None:
    assert known(tmp_path, entry("MAL-1", ranges=between({"introduced": "0"})), severity="critical").findings


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        # From the specification's examples of CVSS 3.1 (first.org/cvss/v3.1/examples).
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.0/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:2.0/AV:N", None),
        ("CVSS:3.1/AV:N", None),
        ("", None),
    ],
)
def test_base_scores_are_those_of_the_specification(vector: str, score: float | None) -> None:
    assert cvss.base_score(vector) == score


IGNORED = {"id": "CVE-1", "reason": "We never call that function.", "expires": f"{TODAY}"}


def test_an_ignored_advisory_does_not_count_until_it_expires(tmp_path: Path) -> None:
    advisory = entry(versions=["1.0"], aliases=["CVE-1"])
    found = known(tmp_path, advisory, ignore=[IGNORED])
    assert found.findings == ()
    assert found.ignored == (f"GHSA-1 of coin until {TODAY}",)
    yesterday = {**IGNORED, "expires": f"{TODAY - datetime.timedelta(days=1)}"}
    found = known(tmp_path, advisory, ignore=[yesterday])
    assert len(found.findings) == 1
    assert "expired" in found.notes[0]


def test_an_exception_for_another_package_meets_nothing_and_is_told(tmp_path: Path) -> None:
    found = known(tmp_path, entry(versions=["1.0"], aliases=["CVE-1"]), ignore=[{**IGNORED, "package": "other"}])
    assert len(found.findings) == 1
    assert found.notes == ("CVE-1 met nothing",)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("{", "is no advisory"),
        ("[]", "is no advisory"),
        ("{}", "is no advisory"),
        (entry(modified="yesterday"), "is no advisory"),
        (entry(ranges=between({"introduced": "0"}, {"mended": "1"})), "is no advisory"),
        (entry(ranges=[{"type": "ECOSYSTEM"}]), "is no advisory"),
        ({"id": "GHSA-1", "modified": f"{TODAY}T00:00:00Z", "affected": []}, "no advisory of PyPI"),
    ],
)
def test_a_corrupt_database_is_bad_input(tmp_path: Path, broken: Any, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        advisories.load(folder_of(tmp_path / "osv", broken))


def test_a_database_that_is_none_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "osv.zip").write_bytes(b"PK\x03\x04 and no more")
    for name, said in (("empty", "no advisory of PyPI"), ("osv.zip", "neither a folder"), ("none.zip", "there is no")):
        with pytest.raises(BadInputError, match=said):
            advisories.load(tmp_path / name)


def test_a_database_that_was_damaged_on_its_way_is_bad_input(tmp_path: Path) -> None:
    """The directory of the zip is whole; that a member is not shows only when it is unpacked."""
    file = tmp_path / "osv.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("GHSA-1.json", json.dumps(entry()))
    content = bytearray(file.read_bytes())
    start = len("GHSA-1.json") + 30
    content[start : start + 8] = b"\xff" * 8
    file.write_bytes(content)
    with pytest.raises(BadInputError, match="neither a folder nor a zip file that can be read"):
        advisories.load(file)


def test_a_version_in_the_database_that_is_none_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="PEP 440"):
        known(tmp_path, entry(ranges=between({"introduced": "first"})))


def test_only_what_is_wanted_is_kept_and_everything_is_counted(tmp_path: Path) -> None:
    entries = [entry("GHSA-1", "coin"), entry("GHSA-2", "other")]
    database = advisories.load(folder_of(tmp_path / "osv", *entries), {"coin"})
    assert (sorted(database.advisories), database.total) == (["coin"], 2)
    with pytest.raises(BadInputError, match="is no advisory"):
        advisories.load(folder_of(tmp_path / "osv", "{}"), {"coin"})


def test_a_zip_is_read_as_a_folder_is(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "osv", entry(versions=["1.0"]))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(folder / "0.json", "GHSA-1.json")
        archive.writestr("README.md", "no advisory")
    assert advisories.load(tmp_path / "all.zip").advisories == advisories.load(folder).advisories


@pytest.mark.parametrize(("days", "said"), [(8, "8 days old"), (-3, "is to come")])
def test_a_database_that_is_too_old_or_of_tomorrow_is_bad_input(tmp_path: Path, days: int, said: str) -> None:
    when = TODAY - datetime.timedelta(days=days)
    database = advisories.load(folder_of(tmp_path / "osv", entry(versions=["1"], modified=f"{when}T00:00:00Z")))
    with pytest.raises(BadInputError, match=said):
        advisories.require_fresh(database, Vulnerabilities(), TODAY)


@pytest.fixture
def asking(policy: Path, repository: Path) -> Path:
    """A policy that asks for known vulnerabilities, of a repository that locks a package."""
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {lock: {enabled: true, hashes: false}, vulnerabilities: {enabled: true, advisories: osv}}\n")
    (repository / "requirements.txt").write_text("# one\ncoin==1.0\n")
    return policy


def test_the_gate_refuses_a_vulnerable_dependency_and_dates_the_database(run: Run, asking: Path) -> None:
    folder_of(asking / "osv", entry(versions=["1.0"]))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert [(one["rule"], one["line"]) for one in ran.report["figures"]["findings"]] == [("GHSA-1", 2)]
    assert f"1 advisories of {TODAY}" in ran.check("known vulnerabilities")["limit"]
    assert ran.report["digests"]["advisories"].startswith("sha256:")
    folder_of(asking / "osv", entry(versions=["0.9"]))
    assert run("check-code").exit_code == 0


def test_the_gate_takes_the_database_of_the_workspace(run: Run, asking: Path, tmp_path: Path) -> None:
    text = (asking / "policy.yaml").read_text()
    (asking / "policy.yaml").write_text(text.replace(", advisories: osv", ""))
    ran = run("check-code")
    assert ran.exit_code == 2
    assert "no advisory database" in ran.report["summary"]
    folder = folder_of(tmp_path / "elsewhere", entry(versions=["1.0"]))
    assert run("check-code", f"--advisories={folder}").exit_code == 1
    accepted = f"enabled: true, databases: ['{sha256_file(next(folder.iterdir()))}']}}}}"
    (asking / "policy.yaml").write_text((asking / "policy.yaml").read_text().replace("enabled: true}}", accepted))
    assert run("check-code", f"--advisories={folder}").exit_code == 1
    ran = run("check-code", f"--advisories={folder_of(tmp_path / 'other', entry(versions=['0.9']))}")
    assert (ran.exit_code, "does not accept the advisory database" in ran.report["summary"]) == (2, True)


def test_a_missing_database_and_a_repository_that_locks_nothing_never_pass(
    run: Run, asking: Path, repository: Path
) -> None:
    assert run("check-code").exit_code == 2
    folder_of(asking / "osv", entry(versions=["1.0"]))
    (repository / "requirements.txt").unlink()
    assert run("check-code").exit_code == 1
