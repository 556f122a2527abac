"""scan-image on real images in a real registry: what it says of them, and every way in which it says no."""

from __future__ import annotations

import datetime
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree

from .scanned_images import STATUS, advisory, database, debian, distribution, layer, member, push
from .supply_chain_helpers import MODEL, POLICY, Called
from .supply_chain_images import COMMIT, Registries, digest

TODAY = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
PLAIN = [*debian(), *distribution("skops", "0.9.0", "License-Expression: MIT")]
KEY = b"[default]\naws_access_key_id = AKIA" + b"Z5WJ7KQHT2LPXN4M\n"
"""A text that gitleaks knows, in two parts so that nobody finds it in this repository."""


class Scan:
    """Calls scan-image on an image that is pushed for it."""

    def __init__(self, folder: Path, hallmark: Callable[..., Called], registries: Registries) -> None:
        self.folder, self._hallmark, self._registries = folder, hallmark, registries
        self.report: dict[str, Any] = {}
        (folder / "source").mkdir()
        (folder / "source" / "hallmark.yaml").write_text(MODEL + "card: {intendedUse: Tells flowers apart.}\n")

    def __call__(
        self, *layers: bytes, rules: str = "", user: str = "1001:0", advisories: Path | None = None, **flags: object
    ) -> Called:
        policy = self.folder / "policy"
        policy.mkdir(exist_ok=True)
        (policy / "policy.yaml").write_text(f"{POLICY}scan: {{{rules}}}\n")
        registries = self._registries
        pushed = push(registries, layers or (layer(PLAIN),), user)
        given: dict[str, object] = {
            "candidate_image": registries.candidate,
            "image_digest": pushed,
            "source": self.folder / "source",
            "source_digest": sha256_tree(self.folder / "source"),
            "policy": policy,
            "policy_digest": policy_digest(policy),
            "model_digest": digest("2"),
            "training_data_digest": digest("3"),
            "independent_data_digest": digest("4"),
            "repository_url": "https://git.example.com/team/iris.git",
            "commit": COMMIT,
            "tls_verify": "false",
            "sbom": self.folder / "sbom",
            "candidate_credential": registries.candidates.credential,
            "advisories": advisories or "",
            "report": self.folder / "report",
            **flags,
        }
        called = self._hallmark("scan-image", results=("sbom-digest", "vulnerabilities-digest"), **given)
        self.report = json.loads((self.folder / "report" / "scan-image.json").read_text())
        return called

    @property
    def refused(self) -> list[str]:
        return [check["name"] for check in self.report["checks"] if not check["passed"]]

    @property
    def findings(self) -> list[tuple[str, str]]:
        return [(finding["rule"], finding["file"]) for finding in self.report["figures"]["findings"]]

    def bill(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "sbom" / "sbom.cdx.json").read_text()))


@pytest.fixture
def scan(tmp_path: Path, hallmark: Callable[..., Called], registries: Registries) -> Scan:
    return Scan(tmp_path, hallmark, registries)


def fresh(folder: Path, *entries: dict[str, Any]) -> Path:
    """Databases of both ecosystems of the images here, of today."""
    others = [advisory("X-1", "other", "Debian:12", modified=TODAY), advisory("X-2", "other", "PyPI", modified=TODAY)]
    return database(folder, *others, *entries)


LOOK = "vulnerabilities: {enabled: true"


def test_the_bill_holds_packages_model_and_data_and_is_the_same_every_time(scan: Scan) -> None:
    called = scan()
    assert (called.code, scan.refused) == (0, []), called.output
    assert "lists of the system's packages: not looked at  (nobody told the base image" in called.output
    text = (scan.folder / "sbom" / "sbom.cdx.json").read_bytes()
    assert called.result("sbom-digest") == sha256_file(scan.folder / "sbom" / "sbom.cdx.json")
    assert called.result("vulnerabilities-digest") == ""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    bill = scan.bill()
    found = {(one["type"], one["name"], one.get("version", "")) for one in bill["components"]}
    assert {
        ("machine-learning-model", "iris", "1.2.3"),
        ("data", "data/training.csv", digest("3")),
        ("data", "independent data", digest("4")),
        ("operating-system", "debian", "12"),
        ("application", "libssl3", "3.0.11-1~deb12u2"),
        ("library", "skops", "0.9.0"),
    } <= found
    assert "libgone" not in {name for _, name, _ in found}
    skops = next(one for one in bill["components"] if one["name"] == "skops")
    assert (skops["licenses"], skops["purl"]) == ([{"expression": "MIT"}], "pkg:pypi/skops@0.9.0")
    model = next(one for one in bill["components"] if one["name"] == "iris")
    assert model["modelCard"]["considerations"]["useCases"] == ["Tells flowers apart."]
    assert model["pedigree"]["commits"][0]["uid"] == COMMIT
    subject = bill["metadata"]["component"]
    assert subject["version"] == scan.report["digests"]["image"]
    assert scan(rules="secrets: {enabled: false}").code == 0
    assert "secrets" not in str(scan.report["checks"])
    assert (scan.folder / "sbom" / "sbom.cdx.json").read_bytes() == text


def test_advisories_of_debian_and_of_python_are_met_and_dated(scan: Scan, tmp_path: Path) -> None:
    known = fresh(
        tmp_path / "osv",
        # In dpkg's order the installed `~deb12u2` comes before the plain version, and after `~deb12u1`.
        advisory("DSA-1", "openssl", "Debian:12", "3.0.11-1", modified=TODAY, upstream=["CVE-2026-1"]),
        advisory("DSA-2", "openssl", "Debian:12", "3.0.11-1~deb12u1", modified=TODAY),
        advisory("DSA-3", "openssl", "Debian:11", "9", modified=TODAY),
        advisory("GHSA-1", "SKOPS", "PyPI", "0.10", modified=TODAY, severity="CRITICAL"),
        advisory("GHSA-2", "skops", "PyPI", "0.10", modified=TODAY, severity="LOW"),
    )
    called = scan(rules=f"{LOOK}}}", advisories=known)
    assert (called.code, scan.refused) == (1, ["known vulnerabilities"]), called.output
    assert sorted(rule for rule, _ in scan.findings) == ["DSA-1", "DSA-1", "GHSA-1"]
    assert f"by a database of {TODAY}" in called.output
    file = scan.folder / "sbom" / "vulnerabilities.json"
    assert called.result("vulnerabilities-digest") == sha256_file(file) == scan.report["digests"]["vulnerabilities"]
    told = json.loads(file.read_text())
    assert told["scanner"]["db"]["lastUpdate"] == f"{TODAY}T00:00:00Z"
    assert told["scanner"]["result"]["packages"] == {"Debian:12": 2, "PyPI": 1}
    assert told["scanner"]["result"]["counts"] == {"below severity": 1, "refused": 3}


def test_a_policy_that_asks_where_no_database_is_there_is_bad_input(scan: Scan, tmp_path: Path) -> None:
    called = scan(rules=f"{LOOK}}}")
    assert (called.code, "there is no advisory database" in called.output) == (2, True), called.output
    called = scan(rules=f"{LOOK}, advisories: osv}}", advisories=tmp_path)
    assert (called.code, "there is no advisory database" in called.output) == (2, True), called.output


def test_only_databases_that_the_policy_accepts_are_looked_up_in(scan: Scan, tmp_path: Path) -> None:
    """Whoever starts the run binds the workspace: one without what a package is known for is another database."""
    known = fresh(tmp_path / "entries", advisory("DSA-1", "openssl", "Debian:12", "3.0.11-1", modified=TODAY))
    packed, bound = tmp_path / "packed.zip", tmp_path / "bound"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(known.iterdir()):
            archive.write(file, file.name)
    (bound / "all").mkdir(parents=True)
    shutil.copy(packed, bound / "all" / "all.zip")
    (bound / "README").write_text("no database\n")
    rules = f"{LOOK}, databases: ['{digest('9')}', '{sha256_file(packed)}']}}"
    called = scan(rules=rules, advisories=bound)
    assert (called.code, scan.refused) == (1, ["known vulnerabilities"]), called.output
    assert f"by a database of {TODAY} ({scan.report['digests']['advisories']})" in called.output
    told = json.loads((scan.folder / "sbom" / "vulnerabilities.json").read_text())["scanner"]
    assert told["result"]["files"] == {"all/all.zip": sha256_file(packed)}
    assert told["db"]["version"] == scan.report["digests"]["advisories"]
    shutil.copy(known / "X-1.json", bound)
    called = scan(rules=rules, advisories=bound)
    assert (called.code, "does not accept the advisory database X-1.json" in called.output) == (2, True), called.output
    called = scan(rules=rules, advisories=known / "DSA-1.json")
    assert (called.code, "does not accept the advisory database DSA-1.json" in called.output) == (2, True)


def test_rights_that_an_image_should_not_give_are_refused(scan: Scan) -> None:
    images = (
        layer([*PLAIN, member("app/gone", b"x", mode=0o4755), member("app/up", b"x", mode=0o4755)]),
        layer([member("app/.wh.gone"), member("usr/bin/su", b"x", mode=0o4755), member("app/log", b"x", mode=0o666)]),
    )
    called = scan(*images, user="root")
    assert called.code == 1
    assert scan.refused == ["setuid files", "files that everybody may write to", "user"], called.output
    assert sorted(scan.findings) == [
        ("root-user", "image-configuration.json"),
        ("setuid", "app/up"),
        ("world-writable", "app/log"),
    ]


def test_a_secret_in_a_layer_counts_also_where_a_later_one_hides_it(scan: Scan) -> None:
    called = scan(layer([*PLAIN, member("root/.aws/credentials", KEY)]), layer([member("root/.wh..aws")]))
    assert (called.code, scan.refused) == (1, ["secrets (gitleaks)"]), called.output
    assert scan.findings == [("aws-access-token", "layer-1/root/.aws/credentials")]
    assert b"AKIA" + b"Z5WJ" not in (scan.folder / "report" / "scan-image.json").read_bytes()
    fingerprint = scan.report["figures"]["findings"][0]["fingerprint"]
    (scan.folder / "policy" / "accepted.yaml").write_text(
        "apiVersion: hallmark.dev/v1alpha1\nkind: Baseline\naccepted:\n  - {tool: gitleaks, rule: aws-access-token, "
        f"file: layer-1/root/.aws/credentials, fingerprint: {fingerprint}, reason: it was revoked long ago, "
        "expires: 2999-01-01}\n"
    )
    images = (layer([*PLAIN, member("root/.aws/credentials", KEY)]), layer([member("root/.wh..aws")]))
    assert scan(*images, rules="baseline: accepted.yaml").code == 0


def test_a_secret_in_a_folder_of_python_or_in_the_first_of_two_files_of_one_name_counts(scan: Scan) -> None:
    places = ["usr/lib/python3.11/site-packages/own.py", "app/venv/lib/python3.11/site-packages/own.py", "app/twice"]
    scan(layer([*PLAIN, *(member(place, KEY) for place in places), member("app/twice", b"nothing")]))
    assert {file for _, file in scan.findings} == {f"layer-1/{place}" for place in places}


def test_files_that_a_package_lists_are_read_for_secrets_if_the_policy_asks(scan: Scan) -> None:
    image = layer([*debian(), *distribution("sample", "1.0", docs=KEY)])
    called = scan(image, rules="secrets: {packaged: true}")
    assert (called.code, [rule for rule, _ in scan.findings]) == (1, ["aws-access-token"]), called.output


def test_licences_of_distributions_are_held_to_the_policy(scan: Scan) -> None:
    image = layer(
        [
            *debian(),
            *distribution("free", "1.0", "License-Expression: MIT"),
            *distribution(
                "strict", "1.0", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
            ),
            *distribution("silent", "1.0"),
        ]
    )
    called = scan(image, rules="licences: {enabled: true, allowed: [MIT]}")
    assert (called.code, scan.refused) == (1, ["licences of Python distributions"]), called.output
    assert sorted(rule for rule, _ in scan.findings) == ["licence-not-allowed", "unknown-licence"]


def test_an_image_that_does_not_tell_what_it_is_made_of_is_refused(scan: Scan) -> None:
    """The database of packages is hidden behind a link, which nothing follows."""
    hidden = member("var/lib/dpkg", type=b"2", linkname="/opt/hidden")
    called = scan(layer([*debian()[:2], hidden, member("opt/hidden/status", STATUS)]))
    assert (called.code, scan.refused) == (1, ["packages", "operating system"]), called.output


def test_another_image_source_or_policy_than_was_handed_over_is_refused(scan: Scan) -> None:
    assert scan(source_digest=digest("9")).code == 2
    assert scan(policy_digest=digest("9")).code == 2
    assert scan(image_digest=digest("9")).code == 3
    assert scan(model_digest="sha256:short").code == 2


def test_what_layers_above_the_base_change_of_the_system_is_refused(scan: Scan, registries: Registries) -> None:
    below = layer([*PLAIN, member("usr/bin/su", b"a program", mode=0o4755)])
    above = layer(
        [member("var/lib/dpkg/status", STATUS.replace(b"u2", b"u9")), member("usr/bin/passwd", b"mine", mode=0o4755)]
    )
    base = f"{registries.candidate}@{push(registries, [below], 'root')}"
    called = scan(below, above, base_image=base)
    assert (called.code, scan.refused) == (1, ["setuid files", "lists of the system's packages"]), called.output
    assert sorted(scan.findings) == [("package-list", "var/lib/dpkg/status"), ("setuid", "usr/bin/passwd")]
    allowed = "packageLists: any, files: {setuidAboveBase: [/usr/bin/passwd]}"
    assert scan(below, above, base_image=base, rules=allowed).code == 0
    hidden = layer([member("x", type=b"2", linkname="/var/lib/dpkg"), member("x/status", b"")])
    called = scan(below, hidden, base_image=base)
    assert called.code == 2, called.output
    assert "holds 'x/status', which lies below a link" in called.output
    other = f"{registries.candidate}@{push(registries, [layer([member('other', b'1')])], 'root')}"
    called = scan(below, base_image=other)
    assert (called.code, scan.refused) == (1, ["setuid files", "lists of the system's packages"]), called.output
    assert "of the base, on which this image is not built" in called.output


def test_a_base_that_the_policy_does_not_name_or_that_nobody_tells_is_bad_input(
    scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = POLICY.replace("image: {", f"image: {{bases: ['{digest('7')}'], ")
    monkeypatch.setitem(Scan.__call__.__globals__, "POLICY", named)
    for base in ("", f"x.io/base@{digest('8')}"):
        called = scan(base_image=base)
        assert called.code == 2, called.output
        assert "the policy names base images, and this one is not among them" in called.output
