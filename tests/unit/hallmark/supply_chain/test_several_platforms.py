"""An image for several platforms: how it is put together, and what is asked of each of its parts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hallmark import image_labels
from hallmark.documents.policy import policy_digest
from hallmark.errors import BadInputError
from hallmark.image_reference import Image
from hallmark.image_scan.report import Scanned, together
from hallmark.platforms import as_text, of_text, this_machine, untested
from hallmark.reporting.sarif import Finding
from hallmark.tools import skopeo
from hallmark.tools.syft import Catalogue, Distribution

from .scanned_images import advisory, layer, member
from .supply_chain_images import LABELS, Registries, digest, labels_of, small_root
from .test_build_image import Build, base, build, reference, source
from .test_release_refusals import Call
from .test_scan_image import LOOK, PLAIN, TODAY, Scan, fresh, scan

__all__ = ["base", "build", "scan", "source"]

OWN = this_machine()
OTHER = "linux/s390x"


@pytest.fixture
def several(source: Path) -> Path:
    """A repository without a Containerfile, whose image is for two platforms."""
    (source / "Containerfile").unlink()
    file = source / "hallmark.yaml"
    file.write_text(file.read_text().replace("image: {", f"image: {{platforms: [{OTHER}, {OWN}], "))
    return source


@pytest.fixture
def bases(registries: Registries) -> str:
    repository = f"{registries.candidates.address}/base/several"
    names = [name.removeprefix("linux/") for name in (OWN, OTHER, "linux/riscv64")]
    return f"{repository}@{registries.push_list(names, repository, [small_root()])[0]}"


def allows(policy: Path, *names: str) -> None:
    """Have the policy let these platforms go untested."""
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("image: {", f"image: {{untestedPlatforms: [{', '.join(names)}], "))


def test_the_image_is_a_list_with_the_same_layers_on_the_base_of_each_platform(
    build: Build, registries: Registries, several: Path, policy: Path, bases: str
) -> None:
    allows(policy, OTHER)
    called, again = build(base_image=bases), build(base_image=bases)
    assert called.code == 0, called.output
    assert called.result("digest") == again.result("digest")
    whole, registry = reference(registries, called)
    index = skopeo.manifest(whole, registry)
    assert index["annotations"][image_labels.BASE_DIGEST] == bases.partition("@")[2]
    found = skopeo.platforms(whole, registry)
    assert list(found) == [OTHER, OWN]
    assert of_text(called.result("platforms") or "") == found
    images = {name: Image(repository=whole.repository, digest=one) for name, one in found.items()}
    for name, one in images.items():
        assert skopeo.configuration(one, registry)["architecture"] == name.partition("/")[2]
        assert labels_of(one, registry)[image_labels.REVISION] == "c" * 40
    layers = [[layer["digest"] for layer in skopeo.manifest(one, registry)["layers"]] for one in images.values()]
    assert layers[0][1:] == layers[1][1:]
    assert len(layers[0]) == 3


def test_a_platform_that_is_not_tested_is_refused_unless_the_policy_lets_it_go(
    build: Build, several: Path, bases: str
) -> None:
    called = build(base_image=bases)
    assert (called.code, called.result("digest")) == (1, None), called.output
    assert f"platforms: not tested on {OTHER}" in called.output
    assert "image.untestedPlatforms" in called.output


def test_a_base_without_one_of_the_platforms_and_an_image_that_cannot_be_tested_are_bad_input(
    build: Build, registries: Registries, several: Path, policy: Path, base: str, bases: str
) -> None:
    allows(policy, OTHER, "linux/ppc64le")
    alone = build(base_image=base)
    assert alone.code == 2
    assert "is for one platform" in alone.output
    file = several / "hallmark.yaml"
    file.write_text(file.read_text().replace(OTHER, "linux/ppc64le"))
    missing = build(base_image=bases)
    assert missing.code == 2
    assert f"the base image has nothing for linux/ppc64le, but for {OWN}, linux/riscv64, {OTHER}" in missing.output
    file.write_text(file.read_text().replace(f", {OWN}", ""))
    elsewhere = build(base_image=bases)
    assert elsewhere.code == 2
    assert f"wants an image for linux/ppc64le, and this machine is {OWN}" in elsewhere.output


def test_a_base_that_gives_no_image_of_its_own_for_each_platform_is_bad_input(
    build: Build, registries: Registries, several: Path, policy: Path, bases: str
) -> None:
    allows(policy, OTHER)
    repository = bases.partition("@")[0]
    own, other = (name.removeprefix("linux/") for name in (OWN, OTHER))
    single, listed = (registries.push_list([own, other], repository, [small_root()])[at] for at in (1, 0))
    shared = build(
        base_image=f"{repository}@{registries.push_index(repository, {own: single[own], other: single[own]})}"
    )
    assert (shared.code, "has one image for several of" in shared.output) == (2, True), shared.output
    inner = registries.folder / "inner/blobs/sha256"
    inner.mkdir(parents=True)
    (inner / listed.removeprefix("sha256:")).write_text(skopeo_raw(registries, repository, listed))
    nested = build(base_image=f"{repository}@{registries.push_index(repository, {own: single[own], other: listed})}")
    assert (nested.code, f"{listed} is no single image" in nested.output) == (2, True), nested.output


def test_the_policy_may_let_the_very_variant_go_untested_that_the_base_has(
    build: Build, registries: Registries, several: Path, policy: Path, bases: str
) -> None:
    repository = bases.partition("@")[0]
    names = [OWN.removeprefix("linux/"), f"{OTHER.removeprefix('linux/')}/z15"]
    variants = f"{repository}@{registries.push_list(names, repository, [small_root()])[0]}"
    assert build(base_image=variants).code == 1
    allows(policy, f"{OTHER}/z15")
    called = build(base_image=variants)
    assert called.code == 0, called.output
    assert list(of_text(called.result("platforms") or "")) == [f"{OTHER}/z15", OWN]


def test_each_image_of_a_list_is_scanned_and_the_bill_says_what_is_in_which(
    scan: Scan, registries: Registries, tmp_path: Path
) -> None:
    known = fresh(tmp_path / "osv", advisory("GHSA-1", "skops", "PyPI", "0.10", modified=TODAY, severity="CRITICAL"))
    plain, open_to_all = layer(PLAIN), layer([*PLAIN, member("app/x", mode=0o666)])
    whole, parts = registries.push_list(["amd64", "arm64"], registries.candidate, [plain])
    called = scan(rules=f"{LOOK}}}", advisories=known, image_digest=whole)
    assert (called.code, scan.refused) == (1, ["user", "known vulnerabilities"]), called.output
    assert {"linux/amd64: packages", "linux/arm64: operating system"} <= {one["name"] for one in scan.report["checks"]}
    # The same finding in both images is one.
    assert [rule for rule, _ in scan.findings] == ["root-user", "GHSA-1"]
    bill = scan.bill()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    assert bill["metadata"]["component"]["version"] == whole
    depends = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert depends[f"image:{whole}"] == [f"image:{digest}" for digest in parts.values()]
    libraries = [ref for ref in depends[f"image:{parts['arm64']}"] if "skops" in ref]
    assert libraries
    assert {component["bom-ref"] for component in bill["components"]} >= {*depends[f"image:{whole}"], *libraries}
    told = json.loads((scan.folder / "sbom" / "vulnerabilities.json").read_text())["scanner"]["result"]["platforms"]
    counts = {"refused": 1}
    assert {name: one["counts"] for name, one in told.items()} == {"linux/amd64": counts, "linux/arm64": counts}
    # What is in one of them only is found as well, and told where.
    mixed = registries.push_index(
        registries.candidate,
        {"amd64": parts["amd64"], "arm64": registries.push(registries.candidate, layer_tar=open_to_all)},
    )
    assert scan(image_digest=mixed).code == 1
    assert scan.refused == ["files that everybody may write to", "user"]
    assert [one["file"] for one in scan.report["figures"]["findings"] if "(linux/arm64)" in one["message"]] == ["app/x"]
    same = registries.push_index(registries.candidate, {"amd64": parts["amd64"], "riscv64": parts["amd64"]})
    assert scan(image_digest=same).code == 1
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(scan.bill())) is None
    refs = [one["bom-ref"] for one in scan.bill()["components"]]
    assert len(refs) == len(set(refs))
    bare = registries.push(registries.candidate, layer_tar=layer([member("app/y")]), architecture="arm64")
    empty = registries.push_index(registries.candidate, {"amd64": parts["amd64"], "arm64": bare})
    assert scan(image_digest=empty).code == 1
    assert {"linux/arm64: packages", "linux/arm64: operating system"} <= set(scan.refused)


def test_what_one_image_has_twice_is_not_said_to_be_in_all_of_them() -> None:
    twice = Finding(file="app/x", line=1, tool="image", rule="writable", message="for everybody")
    one = Scanned(
        found=(),
        catalogue=Catalogue(artifacts=(), distribution=Distribution(), version="1"),
        files=1,
        findings=(twice, twice),
        known=None,
        packaged=0,
        secrets=False,
        licences=False,
        left_out=0,
        base_layers=None,
        layers=1,
        created="",
        started="",
    )
    found = together({"linux/amd64": one, "linux/arm64": replace(one, findings=())})
    assert [finding.message for finding in found.findings] == ["for everybody (linux/amd64)"]


def test_an_accepted_finding_stays_accepted_when_the_image_is_for_another_platform_too(
    scan: Scan, registries: Registries, tmp_path: Path
) -> None:
    plain, open_to_all = layer(PLAIN), layer([*PLAIN, member("app/x", mode=0o666)])
    one = registries.push(registries.candidate, layer_tar=open_to_all)
    alone = scan(image_digest=one)
    named = {finding["file"]: finding["fingerprint"] for finding in scan.report["figures"]["findings"]}
    assert (alone.code, len(named["app/x"])) == (1, 16), alone.output
    other = registries.push(registries.candidate, layer_tar=plain, architecture="arm64")
    both = registries.push_index(registries.candidate, {"amd64": one, "arm64": other})
    assert scan(image_digest=both).code == 1
    found = {finding["file"]: finding for finding in scan.report["figures"]["findings"]}
    assert "(linux/amd64)" in found["app/x"]["message"]
    assert {file: finding["fingerprint"] for file, finding in found.items()} == named


def test_a_list_is_released_and_signed_with_each_image_in_it_or_not_at_all(
    sign: Call, verify: Call, registries: Registries, signing_policy: Path, signing_key: Path
) -> None:
    whole, parts = registries.push_list(["amd64", "arm64"], registries.candidate)
    named = {f"linux/{name}": found for name, found in parts.items()}
    judged = {"repository": registries.candidate, "digest": whole, "platforms": named, "tested": "linux/amd64"}

    def given(**changes: Any) -> dict[str, Any]:
        (signing_key / "policies").write_text(policy_digest(signing_policy))
        return {"image_digest": whole, "changes": {"image": judged | changes}}

    untested = sign(**given())
    assert (untested.code, "platforms: not tested on linux/arm64" in untested.output) == (1, True), untested.output
    file = signing_policy / "policy.yaml"
    file.write_text(f"{file.read_text()}image: {{untestedPlatforms: [linux/arm64]}}\n")
    for platforms in ({**named, "linux/arm64": digest("9")}, {"linux/amd64": named["linux/amd64"]}, {}):
        refused = sign(**given(platforms=platforms))
        assert (refused.code, "NO  images of the list" in refused.output) == (1, True), refused.output
    relabelled = registries.push(registries.candidate, {**LABELS, image_labels.REVISION: "d" * 40})
    other = registries.push_index(registries.candidate, {"amd64": parts["amd64"], "arm64": relabelled})
    refused = sign(**{**given(digest=other, platforms={**named, "linux/arm64": relabelled}), "image_digest": other})
    assert refused.code == 1, refused.output
    assert f"NO  linux/arm64: label {image_labels.REVISION}" in refused.output
    assert "NO  linux/arm64: platform: linux/amd64" in refused.output
    # A part alone is not what was judged.
    part = sign(**{**given(), "image_digest": parts["amd64"]})
    assert (part.code, "NO  images of the list" in part.output) == (1, True), part.output
    assert verify(f"{registries.release}@{whole}").code == 3, "nothing was released"
    called = sign(**given())
    assert called.code == 0, called.output
    for one in (whole, *parts.values()):
        checked = verify(f"{registries.release}@{one}")
        assert checked.code == 0, checked.output
    again = sign(**given())
    assert (again.code, again.output.count("signed by this key before")) == (0, 3), again.output


def test_a_list_that_hides_another_one_is_neither_signed_nor_verified_nor_scanned(
    sign: Call, verify: Call, scan: Scan, registries: Registries
) -> None:
    for repository, call in ((registries.candidate, sign), (registries.release, verify)):
        inner, parts = registries.push_list(["amd64", "arm64"], repository)
        (registries.folder / "inner/blobs/sha256").mkdir(parents=True, exist_ok=True)
        copied = skopeo_raw(registries, repository, inner)
        (registries.folder / "inner/blobs/sha256" / inner.removeprefix("sha256:")).write_text(copied)
        outer = registries.push_index(repository, {"amd64": parts["amd64"], "arm64": inner})
        image = {"repository": repository, "digest": outer, "tested": "linux/amd64"}
        told = {"linux/amd64": parts["amd64"], "linux/arm64": inner}
        asked = {"image_digest": outer, "changes": {"image": {**image, "platforms": told}}}
        called = verify(f"{repository}@{outer}") if call is verify else sign(**asked)
        assert (called.code, f"{inner} is no single image" in called.output) == (2, True), called.output
        if call is sign:
            looked = scan(image_digest=outer)
            assert (looked.code, f"{inner} is no single image" in looked.output) == (2, True), looked.output


def skopeo_raw(registries: Registries, repository: str, digest: str) -> str:
    """The text of a manifest in one of the registries."""
    found = registries.registry_of(repository)
    access = skopeo.Registry(authfile=found.auth_file, tls_verify=False)
    return skopeo._inspect(Image(repository=repository, digest=digest), access, "--raw").stdout


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, ""),
        ({"mediaType": skopeo.MANIFESTS[0]}, "no image and no list"),
        ({"layers": []}, "no image and no list"),
        ({"config": {}}, "no image and no list"),
        ({"manifests": []}, "no image and no list"),
        ({"manifests": "twice"}, "no image and no list"),
        ({"manifests": "many"}, "a list of 33 images, more than 32"),
    ],
)
def test_what_may_be_read_as_an_image_too_or_has_too_many_of_them_is_no_list(
    changes: dict[str, Any], refused: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entries = [
        {"mediaType": skopeo.MANIFESTS[0], "digest": digest("1"), "platform": {"os": "linux", "architecture": f"a{n}"}}
        for n in range(33)
    ]
    several = {"twice": [entries[0], entries[0]], "many": entries}
    changed = {key: several.get(value, value) if isinstance(value, str) else value for key, value in changes.items()}
    told = {"schemaVersion": 2, "mediaType": skopeo.LISTS[0], "manifests": entries[:2], **changed}
    monkeypatch.setattr(skopeo, "manifest", lambda *_: told)
    image = Image(repository="registry.example.com/iris", digest=digest("2"))
    registry = skopeo.Registry(authfile=tmp_path / "config.json", tls_verify=True)
    if not refused:
        assert len(skopeo.platforms(image, registry)) == 2
        return
    with pytest.raises(BadInputError, match=refused):
        skopeo.platforms(image, registry)


def test_what_one_task_tells_the_other_of_platforms_is_read_back_or_refused() -> None:
    told = {"linux/amd64": digest("1"), "linux/arm64/v8": digest("2")}
    assert of_text(as_text(told)) == told
    assert of_text("") == {}
    for wrong in ("linux/amd64", "linux/amd64=latest", f"amd64={digest('1')}", 2 * f" linux/amd64={digest('1')}"):
        with pytest.raises(BadInputError, match="no list of PLATFORM"):
            of_text(wrong)


def test_a_platform_counts_as_tested_where_the_container_ran_or_the_policy_says_so() -> None:
    names = ["linux/amd64", "linux/arm64/v8", "linux/s390x"]
    assert untested(names, "linux/amd64", []) == names[1:]
    assert untested(names, "linux/amd64", ["linux/arm64"]) == ["linux/s390x"]
    assert untested(names, None, ["linux/arm64/v7"]) == names
    # Where it ran on none of them there is nothing that another platform could be let go for.
    assert untested(names, None, names) == names
    assert untested(names, "linux/ppc64le", ["linux/amd64", "linux/arm64", "linux/s390x"]) == names


def test_of_several_variants_of_the_machine_none_counts_as_tested() -> None:
    names = ["linux/amd64", "linux/amd64/v3", "linux/arm64"]
    assert untested(names, "linux/amd64", ["linux/arm64"]) == names[:2]
    assert untested(names, "linux/amd64", ["linux/arm64", "linux/amd64/v3"]) == names[:1]
    assert untested(names[1:], "linux/amd64", ["linux/arm64"]) == []
