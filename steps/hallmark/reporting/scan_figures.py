"""What an image is made of and what is known of it, from the figures of `hallmark.image_scan.report`."""

from __future__ import annotations

from typing import Any

from hallmark.reporting.exhibits import NOTHING, Entry, Exhibit, Row, Table, count, forest, mapping, objects, text

_KINDS = {"deb": "Debian packages", "rpm": "RPM packages", "apk": "Alpine packages", "pypi": "Python distributions"}
_RESULTS = {"refused": "refused", "ignored": "warning", "not fixed": "warning"}
SHOWN = 60


def scan(figures: dict[str, Any]) -> list[Exhibit]:
    """From `packages` {kind: number}, `system` and `vulnerabilities` {databases, worst, counts, left_out, notes}."""
    return [*_packages(figures), *_vulnerabilities(mapping(figures.get("vulnerabilities")))]


def _packages(figures: dict[str, Any]) -> list[Exhibit]:
    numbers = {str(kind)[:40]: count(number) for kind, number in mapping(figures.get("packages")).items()}
    entries = [
        Entry(cells=(_KINDS.get(kind, kind), str(number)), value=float(number))
        for kind, number in list(numbers.items())[:SHOWN]
        if number
    ]
    if not entries:
        return []
    system = text(figures.get("system")) or "an unknown system"
    table = forest(("kind", "packages"), entries, bars=True)
    return [Exhibit(title="What the image is made of", note=f"{system}; all are in sbom.cdx.json.", table=table)]


def _vulnerabilities(found: dict[str, Any]) -> list[Exhibit]:
    databases = objects(found.get("databases"))
    if not databases:
        return []
    rows = tuple(
        Row(cells=(text(one.get("ecosystem"), 60), text(one.get("entries")), text(one.get("newest"), 20)))
        for one in databases[:SHOWN]
    )
    table = Table(columns=("database", "advisories", "newest"), rows=rows)
    notes = [text(note) for note in found.get("notes", [])[:5]] if isinstance(found.get("notes"), list) else []
    left = ", ".join(f"{count(n)} {kind}" for kind, n in mapping(found.get("left_out")).items())
    said = [f"Not looked up, by the policy: {left[:200]}."] if left else []
    said += [f"Exceptions of the policy: {'; '.join(notes)}."] if notes else []
    exhibits = [Exhibit(title="Known vulnerabilities", note=" ".join(said), table=table)]
    worst = objects(found.get("worst"))
    if worst:
        columns = ("advisory", "package", "version", "severity", "fixed in", "status")
        keys = ("id", "package", "version", "severity", "fixed", "status")
        shown = tuple(
            Row(
                cells=tuple(text(one.get(key), 60) or NOTHING for key in keys),
                result=_RESULTS.get(text(one.get("status")), ""),
            )
            for one in worst[:SHOWN]
        )
        more = f"The first {SHOWN} of {len(worst)}; all are in vulnerabilities.json." if len(worst) > SHOWN else ""
        table = Table(columns=columns, rows=shown)
        exhibits.append(Exhibit(title="Known vulnerabilities", note=more, table=table, folded=len(shown) > 12))
    return exhibits
