"""policy-admission: real cosign with the Rego and the CUE file says of a verdict what verify-image says."""

from __future__ import annotations

import copy
import itertools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.documents.policy import policy_digest
from hallmark.verdict import PREDICATE_TYPE

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, days_ago, digest, verdict_content

LANGUAGES = ("rego", "cue")
Asked = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def admission(hallmark: Callable[..., Called], signing_policy: Path, tmp_path: Path) -> Path:
    called = hallmark("policy-admission", policy=signing_policy, output=tmp_path / "admission")
    assert called.code == 0, called.output
    return tmp_path / "admission"


@pytest.fixture
def ask(registries: Registries, admission: Path) -> Asked:
    """Attest verdicts to a new image, and let cosign admit it by the file of a language."""
    numbers = itertools.count()

    def call(language: str, *contents: Callable[[str], Any]) -> subprocess.CompletedProcess[str]:
        found = registries.push(registries.release, {"number": str(next(numbers))})
        image = f"{registries.release}@{found}"
        for content in contents:
            registries.attest(image, content(found), predicate_type=PREDICATE_TYPE)
        argv = ["cosign", "verify-attestation", f"--key={registries.key.public}", "--insecure-ignore-tlog=true"]
        argv += [f"--type={PREDICATE_TYPE}", f"--policy={admission / f'verdict.{language}'}", image]
        env = {"PATH": os.environ["PATH"], "HOME": str(admission), "DOCKER_CONFIG": str(registries.releases.credential)}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def content(registries: Registries, signing_policy: Path) -> Callable[..., dict[str, Any]]:
    def make(image_digest: str, **changes: Any) -> dict[str, Any]:
        return verdict_content(policy_digest(signing_policy), registries.candidate, image_digest, **changes)

    return make


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_passing_verdict_is_admitted(ask: Asked, content: Callable[..., dict[str, Any]], language: str) -> None:
    done = ask(language, content)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "changes",
    [
        {"passed": False},
        {"kind": "Opinion"},
        {"checks": [{"name": "overlap", "passed": False, "value": "", "limit": ""}]},
        {"checks": []},
        {"checks": {}},
        {"metrics": {"accuracy": {"value": "x", "minimum": 0.9, "low": 0.85, "high": 0.99}}},
        {"data": {"training": digest("3"), "independent": digest("4"), "rows": "29", "overlap": 0}},
        {"data": {"training": digest("3"), "independent": digest("4"), "rows": 45, "overlap": None}},
        {"policy": digest("9")},
        {"judgedAt": days_ago(366)},
        {"judgedAt": "2026"},
        {"gates": {}},
        {
            "gates": {
                name: {"passed": name != "test-image", "report": digest("5")} for name in ("check-code", "test-image")
            }
        },
        {"metrics": {}},
        {"metrics": {"accuracy": {"value": 0.89, "minimum": 0.5, "low": 0.85, "high": 0.99}}},
        {"data": {"training": digest("3"), "independent": digest("4"), "rows": 29, "overlap": 0}},
        {"data": {"training": digest("3"), "independent": digest("4"), "rows": 45, "overlap": 0.2}},
        {"model": {"name": "wine", "version": "1.2.3", "digest": digest("2")}},
    ],
    # No value stands in a test's name: one is of today, and whoever runs tests side by side wants the same names.
    ids=lambda changes: next(iter(changes)),
)
def test_what_verify_image_refuses_is_not_admitted(
    ask: Asked, content: Callable[..., dict[str, Any]], language: str, changes: dict[str, Any]
) -> None:
    done = ask(language, lambda found: content(found, **changes))
    assert done.returncode != 0
    assert "none of the attestations matched" in done.stderr or "validat" in done.stderr, done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_cosign_asks_every_verdict_on_an_image_where_verify_image_asks_for_one(
    ask: Asked, content: Callable[..., dict[str, Any]], language: str
) -> None:
    """What docs/verdict.md says: should cosign begin to take one good verdict as enough, it has to be said there."""
    assert ask(language, lambda found: content(found, judgedAt=days_ago(400)), content).returncode != 0
    assert ask(language, content, content).returncode == 0


@pytest.mark.parametrize("changes", [{"judgedAt": days_ago(-1)}, {"image": {"repository": "x", "digest": digest("9")}}])
def test_rego_also_refuses_what_is_from_the_future_or_about_another_image(
    ask: Asked, content: Callable[..., dict[str, Any]], changes: dict[str, Any]
) -> None:
    assert ask("rego", lambda found: content(found, **changes)).returncode != 0


def test_rego_asks_of_an_image_in_a_list_what_verify_image_asks(
    hallmark: Callable[..., Called],
    registries: Registries,
    signing_policy: Path,
    admission: Path,
    ask: Asked,
    content: Callable[..., dict[str, Any]],
) -> None:
    def admitted(part: str, **changes: Any) -> bool:
        parts = {"linux/amd64": digest("6"), part: ""}
        whole = {"repository": registries.candidate, "digest": digest("7"), "tested": "linux/amd64"}

        def listed(found: str) -> dict[str, Any]:
            return content(found, image={**whole, "platforms": {**parts, part: found}, **changes})

        done = ask("rego", listed)
        assert done.returncode == 0 or "validation errors occurred" in done.stderr, done.stderr
        return done.returncode == 0

    def allow(*names: str) -> None:
        file = signing_policy / "policy.yaml"
        rules = file.read_text().partition("image: {untested")[0]
        file.write_text(f"{rules}image: {{untestedPlatforms: [{', '.join(names)}]}}\n")
        assert hallmark("policy-admission", policy=signing_policy, output=admission).code == 0

    allow("linux/arm64", "linux/amd64")
    assert admitted("linux/arm64/v8")
    assert not admitted("linux/arm64/v8", tested=None), "it ran on none of them"
    allow("linux/arm64")
    assert admitted("linux/arm64/v8")
    assert not admitted("linux/arm64/v8", platforms={"linux/arm64/v8": digest("9")})
    assert not admitted("linux/s390x")
    assert not admitted("linux/arm64", tested=None)
    assert not admitted("linux/amd64/v3"), "which of both ran is not known"


ASKED = [
    ("passed",),
    ("judgedAt",),
    ("policy",),
    ("model", "name"),
    ("data", "rows"),
    ("data", "overlap"),
    ("gates", "check-code", "passed"),
    ("metrics", "accuracy", "value"),
    ("kind",),
    ("apiVersion",),
    ("checks",),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("missing", ASKED, ids=".".join)
def test_what_is_missing_is_not_admitted(
    ask: Asked, content: Callable[..., dict[str, Any]], language: str, missing: tuple[str, ...]
) -> None:
    def without(found: str) -> dict[str, Any]:
        whole = copy.deepcopy(content(found))
        inner = whole
        for key in missing[:-1]:
            inner = inner[key]
        del inner[missing[-1]]
        return whole

    assert ask(language, without).returncode != 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_of_a_policy_cannot_leave_their_quotes(
    hallmark: Callable[..., Called],
    registries: Registries,
    signing_policy: Path,
    admission: Path,
    ask: Asked,
    content: Callable[..., dict[str, Any]],
    language: str,
) -> None:
    odd = 'https://x/" | _ | "\\(1) {{ \\u é 😀 \t'
    with (signing_policy / "policy.yaml").open("a") as file:
        file.write(f"source: {{repositories: [{json.dumps(odd, ensure_ascii=False)}]}}\n")
    called = hallmark("policy-admission", policy=signing_policy, output=admission)
    assert called.code == 0, called.output
    source = content("")["source"]
    done = ask(language, lambda found: content(found, source={**source, "repository": odd}))
    assert done.returncode == 0, done.stderr
    assert ask(language, content).returncode != 0


PRODUCTION = {"repository": "https://git.example.com/config.git", "branch": "main", "path": "kustomization.yaml"}
COMPARED = {
    "production": PRODUCTION,
    "image": f"registry.example.com/releases/iris@{digest('7')}",
    "model": digest("8"),
    "metric": "accuracy",
    "rule": "ratio",
    "candidate": 0.95,
    "champion": 0.9,
    "ratio": 1.02,
    "p": 0.01,
    "margin": None,
    "passed": True,
}
FIRST = {**COMPARED, "image": None, "model": None, "candidate": None, "champion": None, "p": None}
BY_TEST = {**COMPARED, "rule": "non-inferiority", "ratio": None, "margin": 0.01}
RATIO, TEST = "", ", rule: non-inferiority, margin: 0.02"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_comparison_that_the_policy_asks_for_must_be_in_the_verdict(
    hallmark: Callable[..., Called],
    signing_policy: Path,
    admission: Path,
    ask: Asked,
    content: Callable[..., dict[str, Any]],
    language: str,
) -> None:
    file = signing_policy / "policy.yaml"
    without = file.read_text()

    def admitted(comparison: dict[str, Any] | None, checks: list[dict[str, Any]] | None = None) -> bool:
        changes = {"checks": [*right, compared, *right] if checks is None else checks}
        more = {} if comparison is None else {"champion": comparison}
        done = ask(language, lambda found: content(found, **changes, **more))
        assert done.returncode == 0 or "none of the attestations" in done.stderr or "valid" in done.stderr, done.stderr
        return done.returncode == 0

    def asking(rules: str) -> None:
        champion = f"  champion: {{production: [{json.dumps(PRODUCTION)}], metric: accuracy{rules}}}\n  minimumRows"
        file.write_text(without.replace("  minimumRows", champion))
        assert hallmark("policy-admission", policy=signing_policy, output=admission).code == 0

    right = content("")["checks"]
    compared = {"name": "champion", "passed": True, "value": "better", "limit": ""}
    asking(RATIO)
    assert admitted(COMPARED)
    assert not admitted(None)
    assert not admitted(COMPARED, right)
    assert not admitted(COMPARED, [{**right[0], "passed": False}, compared])
    assert not admitted({**COMPARED, "metric": "f1"})
    assert not admitted({**COMPARED, "production": {**PRODUCTION, "branch": "next"}})
    assert not admitted(FIRST)
    if language == "rego":
        assert not admitted({**COMPARED, "candidate": 0.905})
        assert admitted({**COMPARED, "candidate": 0.9, "model": content("")["model"]["digest"], "metric": "f1"})
    else:
        assert not admitted({**COMPARED, "ratio": 1.001})
    asking(f"{TEST}, first: allow")
    assert admitted(BY_TEST)
    assert admitted(FIRST)
    assert not admitted({**BY_TEST, "margin": 0.05})
    if language == "rego":
        assert not admitted({**BY_TEST, "p": 0.06})


def test_a_policy_with_a_mistake_is_bad_input(
    hallmark: Callable[..., Called], signing_policy: Path, tmp_path: Path
) -> None:
    (signing_policy / "policy.yaml").write_text("kind: Policy\n")
    assert hallmark("policy-admission", policy=signing_policy, output=tmp_path / "out").code == 2
