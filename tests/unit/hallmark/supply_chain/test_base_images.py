"""What an image is built on: what Containerfiles say, and how layers are compared. Pure, without a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.base_images import Layers, compare, named, platform_images
from hallmark.containerfiles import other_images
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_image import ImageRules
from hallmark.errors import BadInputError
from hallmark.image_reference import Image
from hallmark.tools.skopeo import MANIFESTS

from .supply_chain_helpers import POLICY
from .supply_chain_images import digest

BASE = Image(repository="registry.example.com/base/python", digest=digest("a"))
BASES = "${BASE_IMAGE}"
HEAD = "ARG BASE_IMAGE=registry.example.com/any\n"


@pytest.mark.parametrize(
    "text",
    [
        "FROM ${BASE_IMAGE}\nRUN true\n",
        "from  --platform=linux/amd64 $BASE_IMAGE as Build\nFROM Build\nCOPY --from=Build /a /b\nCOPY --from=0 /a /b\n",
        f'FROM "{BASE}"\n',
        "FROM \\\n# why\n\n  ${BASE_IMAGE}\n",
        "# escape=`\nFROM `\n ${BASE_IMAGE}\nRUN echo \\\n",
        "FROM ${BASE_IMAGE}\nRUN <<EOF\nimport y\nEOF\nCOPY <<-'a' <<b /etc/\n\tx\n\ta\ncopy\nb\nRUN echo $((1<<2))\n",
        "FROM ${BASE_IMAGE} AS a\nRUN --mount=type=bind,from=a,target=/x true\n",
        "FROM ${BASE_IMAGE}\nRUN echo FROM x\\\nFROM y\n",
        "FROM ${BASE_IMAGE}\n# FROM x\n",
    ],
)
def test_a_containerfile_may_take_from_the_base_and_from_its_own_stages(text: str) -> None:
    assert other_images(HEAD + text if "escape" not in text else text, str(BASE)) == []


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("FROM debian:12\n", ["debian:12"]),
        ("FROM scratch\nFROM ${BASE_IMAGE}\n", ["scratch"]),
        ("ARG OTHER=debian\nFROM ${OTHER}\n", ["${OTHER}"]),
        ("FROM ${BASE_IMAGE:-debian}\n", ["${BASE_IMAGE:-debian}"]),
        ("FROM later\nFROM ${BASE_IMAGE} AS later\n", ["later"]),
        ("FROM ${BASE_IMAGE}\nCOPY --chown=1 --from=x.io/tools /a /b\n", ["x.io/tools"]),
        ("FROM ${BASE_IMAGE}\nCOPY --from=1 /a /b\n", ["1"]),
        ("FROM ${BASE_IMAGE}\nRUN --mount=type=bind,from=x.io/tools,target=/t true\n", ["x.io/tools"]),
        ("FROM ${BASE_IMAGE}\nRUN echo \\\\\\\n more\nFROM x.io/y\n", ["x.io/y"]),
        # What a Buildah without heredocs would build on.
        ("FROM ${BASE_IMAGE}\nRUN true <<CMD\nFROM x.io/y\nCMD\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN true <<EOF\nFROM x.io/y\n", ["x.io/y"]),
        ("FR\\\nOM x.io/y\n", ["x.io/y"]),
        # Quotes and escapes inside flags, which the parser drops.
        ("FROM ${BASE_IMAGE}\nCOPY --fr\\om=x.io/y /a /b\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nADD --\"from\"='x.io/y' /a /b\n", ["x.io/y"]),
        ('FROM ${BASE_IMAGE}\nRUN --mo"un"t=type=bind,fr\\om=x.io/y,target=/t true\n', ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN --mount='type=bind,a= ,from=x.io/y' true\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN --mount=type=bind,$X true\n", ["--mount=type=bind,$X"]),
        ('FROM --platform="a ${BASE_IMAGE} AS" x.io/y\n', ['--platform="a ${BASE_IMAGE} AS" x.io/y']),
        ("FROM ${BASE_IMAGE}\nONBUILD COPY --from=x.io/y /a /b\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nonbuild run --mount=from=x.io/y,target=/t true\n", ["x.io/y"]),
        # Heredocs that are none, or not for every Buildah.
        ("FROM ${BASE_IMAGE}\nRUN echo '<<EOF'\nFROM x.io/y\nRUN true\nEOF\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN true <<EOF\n copy --from=0 /a /b\nEOF\n", ["0"]),
        ("FROM ${BASE_IMAGE}\nRUN <<EOF\nFROM ${BASE_IMAGE} AS x\nEOF\nCOPY --from=x /a /b\n", [BASES, "x"]),
        ("FROM ${BASE_IMAGE}\nRUN <<E-F\nFROM ${BASE_IMAGE} AS x\nE-F\n", ["<<E-F"]),
        ("FROM ${BASE_IMAGE}\nRUN <<EOF\ntrue \\\nFROM x.io/y\nEOF\n", ["x.io/y"]),
        # Stages that are none.
        ("FROM ${BASE_IMAGE} AS one\nFROM ONE\n", ["ONE"]),
        ("FROM ${BASE_IMAGE} AS $X\nENV X=x.io/y\nCOPY --from=$X /a /b\n", ["$X"]),
        ("FROM ${BASE_IMAGE}\nENV BASE_IMAGE=x.io/y\nCOPY --from=${BASE_IMAGE} /a /b\n", [BASES]),
        ("FROM ${BASE_IMAGE} WITH x.io/y\n", ["${BASE_IMAGE} WITH x.io/y"]),
        # What begins or continues a line.
        ("\ufeffFROM x.io/y\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN true \\\u00a0\nFROM x.io/y\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN true \\\\\nFROM x.io/y\n", ["x.io/y"]),
        ("# syntax=x\n# escape=`\nFROM ${BASE_IMAGE}\nRUN true `\nFROM x.io/y\n", ["x.io/y"]),
        ("FROM ${BASE_IMAGE}\nRUN true \\\n\x1c# why\nFROM x.io/y\n", ["a control character"]),
        ("\tFROM\tx.io/y\r\n", ["x.io/y"]),
    ],
)
def test_every_other_image_of_a_containerfile_is_found(text: str, others: list[str]) -> None:
    assert other_images(text, str(BASE)) == others


def test_a_base_is_named_by_reference_or_by_digest_and_otherwise_refused() -> None:
    assert named(ImageRules(bases=[str(BASE)]), BASE).passed
    assert named(ImageRules(bases=[digest("b"), BASE.digest]), BASE).passed
    assert not named(ImageRules(bases=[f"x.io/python@{BASE.digest}"]), BASE).passed
    assert not named(ImageRules(bases=[f"{BASE.repository}@{digest('b')}"]), BASE).passed
    untold = named(ImageRules(bases=[BASE.digest]), None)
    assert (untold.passed, untold.value) == (False, "not told")
    assert "names no base" in named(ImageRules(), BASE).limit


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("bases: []", "image.bases"),
        ("bases: ['registry.example.com/base:latest']", "image.bases"),
        ("bases: ['sha256:abc']", "image.bases"),
        (f"bases: ['python@{digest('a')}']", "image.bases"),
    ],
)
def test_a_policy_names_bases_by_digest_only(tmp_path: Path, rule: str, complaint: str) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("image: {", f"image: {{{rule}, "))
    with pytest.raises(BadInputError, match=complaint):
        load_policy(tmp_path)


def test_a_policy_that_names_bases_asks_for_the_scan_that_reads_the_layers(tmp_path: Path) -> None:
    text = POLICY.replace("image: {", f"image: {{bases: ['{BASE}'], ") + "requiredGates: [check-code]\n"
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(BadInputError, match="scan-image"):
        load_policy(tmp_path)


def test_a_policy_that_names_bases_asks_for_the_provenance_that_tells_the_base(tmp_path: Path) -> None:
    text = POLICY.replace("image: {", f"image: {{bases: ['{BASE}'], ") + "signing: {attestations: [verdict, tests]}\n"
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(BadInputError, match=r"provenance in signing\.attestations"):
        load_policy(tmp_path)


def layers(*letters: str, architecture: str = "amd64") -> Layers:
    return Layers(diff_ids=tuple(map(digest, letters)), system="linux", architecture=architecture)


@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.lists(st.sampled_from("abcdef"), min_size=1))
def test_an_image_is_built_on_a_base_exactly_if_its_layers_begin_with_all_of_the_bases(
    own: list[str], base: list[str]
) -> None:
    check = compare(layers(*own), {"base": layers(*base)}, BASE)
    assert check.passed == (own[: len(base)] == base)


def test_merged_reordered_and_missing_layers_are_told() -> None:
    for own in ("x", "bac", "a", "xab"):
        check = compare(layers(*own), {"base": layers("a", "b")}, BASE)
        assert not check.passed, own
        assert "squash" in check.detail
    assert (
        compare(layers("a", "b", "x"), {"base": layers("a", "b")}, BASE).value
        == "2 of the base's 2 layers, then 1 more"
    )


def test_of_a_list_the_images_for_the_same_machines_count_and_no_other() -> None:
    def entry(letter: str, system: str, architecture: str, **more: Any) -> dict[str, Any]:
        platform = {"os": system, "architecture": architecture}
        return {"mediaType": MANIFESTS[0], "digest": digest(letter), "platform": platform, **more}

    listed = [
        entry("1", "linux", "arm64"),
        entry("2", "linux", "amd64"),
        entry("3", "unknown", "unknown"),
        entry("4", "linux", "amd64", mediaType="application/vnd.oci.image.index.v1+json"),
        {"digest": digest("5")},
        "nothing",
    ]
    found = platform_images(BASE, {"manifests": listed}, layers("x"))
    assert [one.digest for one in found] == [digest("2")]
    assert platform_images(BASE, {"layers": []}, layers("x")) == [BASE]
    none = compare(layers("x"), {}, BASE)
    assert (none.passed, none.value) == (False, "the base has no image for linux/amd64")
