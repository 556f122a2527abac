"""The command `report`: whatever it finds, it writes its files and ends with 0, and nothing in them is alive."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import defusedxml.ElementTree
import pytest

from hallmark.cli import main
from hallmark.gate_report import Check, GateReport

from .evidence import alive

EVIL = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{7*7}}\x1b[31m"
DIGEST = f"sha256:{'a' * 64}"
TASKS = ("fetch-source", "check-code", "test-code", "train", "verify-model", "sign-image", "update-manifest")


class Page(HTMLParser):
    """What an HTML page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def write(reports: Path, command: str, *, task: str = "", status: Any = "passed", **more: Any) -> None:
    """A report as the command of that name writes it."""
    said = {"summary": f"{command} was {status}", **more}
    report = GateReport(command=command, status=status, exit_code={"passed": 0, "refused": 1}.get(status, 2), **said)
    folder = reports / (task or command)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{command}.json").write_text(json.dumps(dataclasses.asdict(report)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    page: Page
    summary: dict[str, Any]
    junit: Any
    log: str


@pytest.fixture
def tell(reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*statuses: str, name: str = "delivery-1", **more: str) -> Told:
        out = tmp_path / "out"
        flags = [f"--{flag.replace('_', '-')}={value}" for flag, value in more.items()]
        argv = ["report", f"--reports={reports}", f"--run-name={name}", f"--report={out}", *flags]
        assert main([*argv, "--statuses", *statuses]) == 0
        assert sorted(path.name for path in out.iterdir()) == [
            *("report.html", "report.json", "report.junit.xml", "summary.json", "summary.junit.xml")
        ]
        page = Page((out / "report.html").read_text())
        assert page.open == []
        return Told(
            page=page,
            summary=json.loads((out / "summary.json").read_text()),
            junit=defusedxml.ElementTree.parse(out / "summary.junit.xml").getroot(),
            log=capsys.readouterr().out,
        )

    return run


def test_a_delivered_run_is_told_with_its_evidence(tell: Any, reports: Path) -> None:
    image = f"registry.example.org/releases/coin@{DIGEST}"
    write(reports, "check-code", digests={"source": DIGEST})
    write(
        reports,
        "verify-model",
        figures={
            "metrics": [{"name": "accuracy", "value": 0.95, "low": 0.9, "high": 0.98, "minimum": 0.9}],
            "confusion_matrix": {"labels": ["a", "b"], "counts": [[9, 1], [0, 10]]},
        },
    )
    write(reports, "test-image", figures={"latency_seconds": [0.001, 0.002]})
    write(reports, "sign-image", summary=f"{image} is signed")
    write(reports, "update-manifest", summary="kustomization.yaml now holds it")
    tasks = ("check-code", "test-image", "verify-model", "sign-image", "update-manifest")
    told = tell(*(f"{task}=Succeeded" for task in tasks))
    assert told.summary["outcome"] == "passed"
    assert told.summary["signedImage"] == image
    assert told.summary["digests"] == [{"name": "source", "digest": DIGEST, "statedBy": ["check-code"]}]
    assert "Delivered" in told.page.text
    assert f"cosign verify --key=cosign.pub --insecure-ignore-tlog=true {image}" in told.page.text
    assert [attributes["class"] for tag, attributes in told.page.tags if tag == "svg"] == ["figure", "cell", "cell"]
    assert told.log.startswith("report: written; the run delivery-1 passed: Every gate passed; kustomization.yaml")


def test_a_refused_run_says_what_failed_first_why_and_what_to_do(tell: Any, reports: Path) -> None:
    write(reports, "fetch-source")
    check = Check(name="security", passed=False, value="1 finding", limit="none", detail="cache.py:7: B602")
    write(reports, "check-code", status="refused", summary="1 finding", solution="mend it", checks=(check,))
    told = tell("fetch-source=Succeeded", "check-code=Failed", "train=None")
    assert told.summary["outcome"] == "refused"
    assert told.summary["headline"] == "check-code refused: 1 finding"
    assert told.summary["failed"] == {"task": "check-code", "command": "check-code", "exitCode": 1}
    assert told.summary["solution"] == "mend it"
    for text in ("Refused", "check-code refused: 1 finding", "mend it", "Exit code 1", "cache.py:7: B602"):
        assert text in told.page.text
    assert told.log.splitlines() == [
        "report: written; the run delivery-1 was refused by check-code: 1 finding",
        "  gates that passed: 1 of 3",
        "  what to do: mend it",
    ]
    assert "cosign" not in told.page.text


@pytest.mark.parametrize(("status", "ending"), [("Failed", "failed: train failed"), ("None", "was not finished: ")])
def test_the_log_of_a_run_that_decided_nothing_does_not_look_passed(tell: Any, status: str, ending: str) -> None:
    told = tell(f"train={status}")
    assert told.log.startswith(f"report: written; the run delivery-1 {ending}")
    assert "ok" not in told.log.split()


@pytest.mark.parametrize("length", [10, 1000])
def test_every_gate_that_refused_is_named_at_the_top_of_the_page(tell: Any, reports: Path, length: int) -> None:
    write(reports, "test-code", status="refused", summary="Input X contains NaN")
    write(reports, "validate-data", status="refused", summary="gaps " * length)
    told = tell("test-code=Failed", "validate-data=Failed")
    top, _, _ = told.page.text.partition("What was found")
    assert "validate-data refused: gaps" in top
    assert "test-code" in top
    assert "; test-code refused" in told.summary["headline"]
    assert told.summary["failed"]["command"] == "validate-data"


def test_the_summary_links_to_the_first_check_that_failed(tell: Any, reports: Path) -> None:
    write(reports, "check-code")
    checks = [Check(name=name, passed=name != "third") for name in ("first", "second", "third", "fourth")]
    write(reports, "verify-model", status="refused", checks=checks)
    page = tell("check-code=Succeeded", "verify-model=Failed").page
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links[0] == "#gate-2-check-3"
    assert [attributes["id"] for tag, attributes in page.tags if tag == "tr" and "id" in attributes] == [
        "gate-2-check-3"
    ]


def test_a_gate_that_broke_without_a_check_is_linked_to_as_a_whole(tell: Any) -> None:
    page = tell("train=Failed").page
    assert "#gate-1" in [attributes["href"] for tag, attributes in page.tags if tag == "a"]


def test_the_junit_file_has_a_suite_for_each_gate(tell: Any, reports: Path) -> None:
    good, bad = Check(name="one", passed=True), Check(name="two", passed=False, value="3", limit="at most 2")
    write(reports, "check-code", status="refused", checks=(good, bad))
    write(reports, "test-code", status="error")
    told = tell("check-code=Failed", "test-code=Failed", "train=Failed", "sign-image=None")
    assert told.junit.attrib == {
        "name": "delivery-1",
        "tests": "5",
        "failures": "1",
        "errors": "2",
        "skipped": "1",
    }
    cases = {
        (case.get("classname"), case.get("name")): [child.tag for child in case] for case in told.junit.iter("testcase")
    }
    assert cases == {
        ("hallmark.check-code", "one"): [],
        ("hallmark.check-code", "two"): ["failure"],
        ("hallmark.test-code", "test-code"): ["error"],
        ("hallmark.train", "train"): ["error"],
        ("hallmark.sign-image", "sign-image"): ["skipped"],
    }


def test_a_task_with_two_commands_shows_both(tell: Any, reports: Path) -> None:
    write(reports, "prepare-evaluation", task="validate-data")
    write(reports, "validate-data")
    told = tell("validate-data=Succeeded")
    assert [gate["command"] for gate in told.summary["gates"]] == ["validate-data", "prepare-evaluation"]


def test_without_any_report_there_is_still_a_page(tell: Any) -> None:
    told = tell()
    assert told.summary["outcome"] == "incomplete"
    assert "No report was found" in told.page.text


def test_tasks_that_left_nothing_are_named_by_their_status(tell: Any) -> None:
    told = tell("fetch-source=Failed", "train=None", repository_url="https://git.example.org/a", revision="main")
    assert [gate["result"] for gate in told.summary["gates"]] == ["missing", "not run"]
    assert told.summary["headline"] == "fetch-source failed: the task failed and left no report"
    assert told.summary["facts"] == {"Repository": "https://git.example.org/a", "Revision": "main"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not understood"),
        (b"{", "not understood"),
        (b"\xff\xfe", "not understood"),
        (b"[" * 200_000, "not understood"),
        (b'{"command": "check-code", "status": "excellent", "summary": ""}', "status"),
        (b'{"command": "train", "status": "passed", "summary": ""}', "says that it is of train"),
        (b" " * (8 << 20) + b"{}", "larger than"),
    ],
)
def test_a_report_that_is_none_is_told_and_never_passes(tell: Any, reports: Path, content: bytes, reason: str) -> None:
    (reports / "check-code").mkdir(parents=True)
    (reports / "check-code/check-code.json").write_bytes(content)
    told = tell("check-code=Succeeded")
    assert told.summary["outcome"] == "failed"
    assert reason in told.summary["headline"]
    assert reason in told.page.text


def test_a_status_that_names_no_task_reads_no_folder(tell: Any, reports: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "check-code", summary="secret")
    told = tell("../elsewhere/check-code=Failed", "train", "=Failed")
    assert told.summary["gates"] == []


def test_links_in_the_reports_lead_nowhere(tell: Any, reports: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "check-code", summary="secret")
    reports.mkdir()
    (reports / "check-code").symlink_to(tmp_path / "elsewhere/check-code")
    (reports / "train").mkdir()
    (reports / "train/train.json").symlink_to(tmp_path / "elsewhere/check-code/check-code.json")
    told = tell("check-code=Failed", "train=Failed")
    assert "secret" not in told.page.text
    assert [gate["summary"] for gate in told.summary["gates"]] == [
        *("the task failed and left no report", "its report is a link")
    ]


def test_nothing_in_a_report_comes_alive_on_the_page(tell: Any, reports: Path) -> None:
    check = Check(name=EVIL, passed=False, value=EVIL, limit=EVIL, detail=EVIL)
    entry = dict.fromkeys(("dataset", "type", "column", "file", "line", "rule", "tool", "message", "name"), EVIL)
    figures: dict[str, Any] = {
        **alive(EVIL),
        "confusion_matrix": {"labels": [EVIL, EVIL], "counts": [[1, 1], [1, 1]]},
        "latency_seconds": [EVIL, 0.1],
        "training": {EVIL: {EVIL: EVIL}},
        "confinement": EVIL,
        "tests": EVIL,
    }
    more: dict[str, Any] = {
        "summary": EVIL,
        "solution": EVIL,
        "checks": (check,),
        "figures": figures,
        "digests": {EVIL: EVIL},
    }
    for command in TASKS:
        write(reports, command, status="refused", **more)
    figures |= {"findings": [entry], "failed_tests": [entry], "expectations": [entry]}
    write(reports, "check-code", status="refused", **more)
    signed = f"x;$(id)<b>@{DIGEST}"
    write(reports, "sign-image", **{**more, "summary": f"{signed} is signed"})
    told = tell(*(f"{task}=Failed" for task in TASKS), EVIL, f"{EVIL}=Failed", name=EVIL, revision=EVIL)
    assert "\x1b" not in told.log
    page = told.page
    assert {"script", "img", "link", "iframe", "object", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "src"]
    assert page.text.count("<script>alert(1)</script>") > 50
    assert all(str(attributes["href"]).startswith("#gate-") for _, attributes in page.tags if "href" in attributes)
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert f"'{signed}'" in page.text, "a command to copy has the reference as one quoted word"


def test_the_page_needs_no_network_and_no_script(tell: Any, reports: Path) -> None:
    write(reports, "check-code")
    page = tell("check-code=Succeeded").page
    policy = next(attributes for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "://" not in page.text
    assert "@import" not in page.text
    assert "url(" not in page.text


def test_the_page_can_be_read_by_a_screen_reader(tell: Any, reports: Path) -> None:
    write(reports, "check-code", checks=(Check(name="one", passed=True),), digests={"source": DIGEST})
    bad = Check(name="two", passed=False)
    write(reports, "verify-model", status="refused", checks=(bad,), figures=alive("a name"))
    page = tell("check-code=Succeeded", "verify-model=Failed").page
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) > 12
    assert all(picture["aria-label"] and picture["role"] == "img" for picture in pictures)
    assert page.count("title") >= len(pictures)
    assert page.count("h1") == page.count("main") == 1
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert page.tags[0] == ("html", {"lang": "en"})
    identifiers = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {str(attributes["href"])[1:] for tag, attributes in page.tags if tag == "a"}
    labels = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert targets | labels <= identifiers


def test_long_texts_are_cut(tell: Any, reports: Path) -> None:
    checks = tuple(Check(name=f"check {number}", passed=False, detail="x" * 50_000) for number in range(100))
    write(reports, "check-code", status="refused", summary="y" * 100_000, checks=checks)
    page = tell("check-code=Failed").page
    assert "more characters)" in page.text
    assert len(page.text) < 2_000_000


def test_equal_reports_give_equal_files(tell: Any, reports: Path, tmp_path: Path) -> None:
    write(reports, "check-code", digests={"source": DIGEST})
    tell("check-code=Succeeded")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    tell("check-code=Succeeded")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_report_folder_that_cannot_be_written_is_a_failed_tool(reports: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "report.html").mkdir(parents=True)
    assert main(["report", f"--reports={reports}", "--run-name=r", f"--report={out}"]) == 3


def test_the_results_name_what_stopped_the_run_and_nothing_that_was_found(reports: Path, tmp_path: Path) -> None:
    failed = Check(name="security (bandit)", passed=False, value="hunter2", detail="hunter2")
    write(reports, "check-code", status="refused", checks=[dataclasses.asdict(failed)])
    write(reports, "test-code", status="error", checks=[{"name": "bad input", "passed": False, "value": "hunter2"}])
    results = results_of(reports, tmp_path, "check-code=Failed", "test-code=Failed")
    assert results == ("refused", "check-code: security (bandit); test-code: bad input")


def test_the_results_of_a_passed_run_say_so(reports: Path, tmp_path: Path) -> None:
    write(reports, "check-code")
    assert results_of(reports, tmp_path, "check-code=Succeeded") == ("passed", "-")


def test_a_result_is_never_longer_than_a_pod_may_say(reports: Path, tmp_path: Path) -> None:
    checks = [{"name": f"{'x' * 100} {number}", "passed": False} for number in range(50)]
    write(reports, "check-code", status="refused", checks=checks)
    assert len(results_of(reports, tmp_path, "check-code=Failed")[1]) == 300


def results_of(reports: Path, tmp_path: Path, *statuses: str) -> tuple[str, str]:
    outcome, stopped_by = tmp_path / "outcome", tmp_path / "stopped-by"
    flags = [f"--reports={reports}", f"--report={tmp_path / 'out'}", "--run-name=delivery-1"]
    results = [f"--result-outcome={outcome}", f"--result-stopped-by={stopped_by}"]
    assert main(["report", *flags, *results, "--statuses", *statuses]) == 0
    return outcome.read_text(), stopped_by.read_text()


def test_what_stands_against_the_model_comes_first_and_open_and_what_passed_is_folded(tell: Any, reports: Path) -> None:
    write(reports, "fetch-source")
    write(reports, "check-code", status="refused")
    write(reports, "validate-data", status="refused")
    page = tell("fetch-source=Succeeded", "check-code=Failed", "validate-data=Failed").page
    evidence = page.text[page.text.index("Evidence") :]
    assert evidence.index("validate-data") < evidence.index("check-code") < evidence.index("fetch-source")
    folds = [attributes for tag, attributes in page.tags if tag == "details" and attributes.get("class") == "card gate"]
    assert ["open" in attributes for attributes in folds] == [True, True, False]
    # A link opens what it leads into, and not the fold itself.
    places = {attributes.get("id") for tag, attributes in page.tags if tag == "div"}
    assert places >= {"gate-1", "gate-2", "gate-3"}


def test_a_passed_run_shows_what_the_model_was_found_to_be(tell: Any, reports: Path) -> None:
    write(reports, "fetch-source")
    write(reports, "verify-model", figures={"metrics": [{"name": "accuracy", "value": 0.9, "low": 0.8, "high": 1.0}]})
    page = tell("fetch-source=Succeeded", "verify-model=Succeeded").page
    folds = [attributes for tag, attributes in page.tags if tag == "details" and attributes.get("class") == "card gate"]
    assert ["open" in attributes for attributes in folds] == [False, True]
