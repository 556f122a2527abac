"""What the page shows of an image: its packages, the databases with their dates, and the worst that is known."""

from __future__ import annotations

from typing import Any

import pytest

from hallmark.reporting.scan_figures import SHOWN, scan

DATABASES = [{"ecosystem": "Debian:12", "entries": 45000, "newest": "2026-11-20"}]


def worst(number: int) -> list[dict[str, Any]]:
    one = {"package": "openssl", "version": "3.0", "severity": "high", "fixed": "", "status": "refused"}
    return [{"id": f"CVE-{index}", **one} for index in range(number)]


def test_packages_and_databases_are_shown_with_their_numbers_and_dates() -> None:
    vulnerabilities = {"databases": DATABASES, "worst": worst(1), "left_out": {"npm": 3}, "notes": ["X-1 met nothing"]}
    figures = {"packages": {"deb": 98, "pypi": 11}, "system": "Debian 12", "vulnerabilities": vulnerabilities}
    packages, dates, found = scan(figures)
    assert packages.table is not None
    assert [row.cells for row in packages.table.rows] == [("Debian packages", "98"), ("Python distributions", "11")]
    assert dates.table is not None
    assert dates.table.rows[0].cells == ("Debian:12", "45000", "2026-11-20")
    assert dates.note == "Not looked up, by the policy: 3 npm. Exceptions of the policy: X-1 met nothing."
    assert found.table is not None
    assert found.table.rows[0].cells == ("CVE-0", "openssl", "3.0", "high", "-", "refused")
    assert found.table.rows[0].result == "refused"


def test_a_long_list_is_cut_and_says_so() -> None:
    found = scan({"vulnerabilities": {"databases": DATABASES, "worst": worst(SHOWN + 5)}})[-1]
    assert found.table is not None
    assert (len(found.table.rows), found.folded) == (SHOWN, True)
    assert f"The first {SHOWN} of {SHOWN + 5}" in found.note


@pytest.mark.parametrize("value", [None, 1, "x", [], {"deb": "x"}, {"databases": [1], "worst": "x"}])
def test_figures_that_are_none_are_left_out(value: Any) -> None:
    assert scan({"packages": value, "vulnerabilities": value}) == []
