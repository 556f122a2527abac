"""Licences of locked packages against the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from hallmark.code_gate import licences
from hallmark.code_gate.licences import DENIED, NOT_ALLOWED, UNKNOWN
from hallmark.code_gate.locks import Locked
from hallmark.documents.rules_code import Licences
from hallmark.errors import BadInputError

Run = Callable[..., Any]


def rules(**values: Any) -> Licences:
    return Licences.model_validate({"enabled": True, **values})


def judged(fields: Mapping[str, list[str]] | None, **values: Any) -> list[str]:
    package = Locked(name="coin", version="1.0", file="uv.lock", line=1)
    policy = rules(**values)
    listed = licences.list_of([package], policy, lambda name: fields)
    return [one.rule for one in licences.judge(listed, policy)]


def told(expression: str, version: str = "1.0") -> dict[str, list[str]]:
    return {"Version": [version], "License-Expression": [expression]}


@pytest.mark.parametrize(
    ("expression", "allowed", "denied", "rule"),
    [
        ("MIT", ["MIT"], [], []),
        ("mit", ["MIT"], [], []),
        ("Apache-2.0", ["MIT"], [], [NOT_ALLOWED]),
        ("MIT OR GPL-3.0-only", ["MIT"], [], []),
        ("MIT AND GPL-3.0-only", ["MIT"], [], [NOT_ALLOWED]),
        ("MIT AND (GPL-3.0-only OR Zlib)", ["MIT", "Zlib"], [], []),
        ("GPL-3.0-only", [], ["GPL-3.0-only"], [DENIED]),
        ("MIT OR GPL-3.0-only", [], ["GPL-3.0-only"], []),
        ("MIT AND GPL-3.0-only", [], ["GPL-3.0-only"], [DENIED]),
        ("GPL-2.0-only WITH Classpath-exception-2.0", [], ["GPL-2.0-only"], [DENIED]),
        ("Apache-2.0 WITH LLVM-exception", ["Apache-2.0"], [], []),
        ("MIT", [], ["GPL-3.0-only"], []),
    ],
)
def test_an_expression_holds_if_one_of_its_choices_is_accepted(
    expression: str, allowed: list[str], denied: list[str], rule: list[str]
) -> None:
    assert judged(told(expression), allowed=allowed, denied=denied) == rule


@pytest.mark.parametrize(
    "fields",
    [
        {"Version": ["1.0"], "License": ["MIT"]},
        {"Version": ["1.0"], "License": ["Copyright (c) somebody\n..."], "Classifier": ["License :: X :: MIT License"]},
        {"Version": ["1.0"], "Classifier": ["License :: OSI Approved", "License :: OSI Approved :: MIT License"]},
    ],
)
def test_older_metadata_is_understood(fields: dict[str, list[str]]) -> None:
    assert judged(fields, allowed=["MIT"]) == []


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        {"Version": ["1.0"]},
        told("MIT", version="2.0"),
        {"Version": ["1.0"], "License": ["as you like"]},
        {"Version": ["1.0"], "Classifier": ["License :: OSI Approved :: MIT License", "License :: Odd"]},
    ],
)
def test_a_licence_that_nobody_tells_is_refused_until_the_policy_does(fields: dict[str, list[str]] | None) -> None:
    assert judged(fields, allowed=["MIT"]) == [UNKNOWN]
    assert judged(fields, allowed=["MIT"], known={"Coin": "MIT"}) == []


@pytest.mark.parametrize(
    "values", [{"allowed": ["MITT"]}, {"denied": ["GPL"]}, {"allowed": ["MIT"], "known": {"coin": "free"}}]
)
def test_a_licence_that_spdx_does_not_have_is_bad_input(values: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match=r"code\.licences\."):
        judged(told("MIT"), **values)


def test_the_gate_reads_what_is_installed(run: Run, repository: Path, policy: Path) -> None:
    version = metadata.version("numpy")
    (repository / "requirements.txt").write_text(f"numpy=={version}\n")
    start = (policy / "policy.yaml").read_text()
    text = "code: {{lock: {{enabled: true, hashes: false}}, licences: {{enabled: true, {}}}}}\n"
    (policy / "policy.yaml").write_text(start + text.format("denied: [Zlib]"))
    ran = run("check-code")
    assert ran.exit_code in (0, 1)
    (listed,) = ran.report["figures"]["licences"]
    assert (listed["package"], listed["version"]) == ("numpy", version)
    assert "BSD-3-Clause" in listed["licence"]
    (policy / "policy.yaml").write_text(start + text.format("allowed: [WTFPL]"))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert not ran.check("licences")["passed"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("lock: {enabled: true}, licences: {enabled: true}", "allowed or denied must name a licence"),
        ("licences: {enabled: true, allowed: [MIT]}", "lock.enabled must be true"),
        ("vulnerabilities: {enabled: true}", "lock.enabled must be true"),
        ("ruff: {enabled: false}, bandit: {enabled: false}", "nobody would read the code"),
        ("secrets: {enable: false}", "unknown key code.secrets.enable"),
    ],
)
def test_a_policy_that_would_check_nothing_is_bad_input(run: Run, policy: Path, code: str, said: str) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(f"code: {{{code}}}\n")
    ran = run("check-code")
    assert ran.exit_code == 2
    assert said in ran.report["summary"]
