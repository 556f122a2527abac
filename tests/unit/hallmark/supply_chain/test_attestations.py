"""What is attested beside the verdict, and how cosign is asked for it: without a registry."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.attestations import (
    TYPES,
    normal,
    places,
    predicate_checks,
    provenance,
    read_predicate,
    same,
)
from hallmark.attestations import test_result as result_of_tests
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.image_reference import Image
from hallmark.process import Completed
from hallmark.signatures import signers
from hallmark.tools import cosign
from hallmark.tools.cosign import Cosign, PrivateKey, Signer
from hallmark.tools.cosign_output import parse_signatures, parse_statements
from hallmark.verdict import Verdict

from .supply_chain_images import POLICY_WITH_KEY, digest, verdict_content
from .supply_chain_statements import DIFFERENT

IMAGE = Image(repository="registry.example.com/releases/iris", digest=digest("a"))
BUILDER = "https://hallmark.dev/builders/tekton/v1"
PEM = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(b'key').decode()}\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def verdict() -> Verdict:
    content = verdict_content(digest("b"), "registry.example.com/candidates/iris", IMAGE.digest)
    return Verdict.model_validate_json(json.dumps(content))


@pytest.fixture
def policy_folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY_WITH_KEY)
    (tmp_path / "cosign.pub").write_text(PEM)
    return tmp_path


def signing(folder: Path, text: str) -> None:
    (folder / "policy.yaml").write_text(POLICY_WITH_KEY.partition("signing:")[0] + f"signing: {{{text}}}\n")


def test_what_is_made_from_a_verdict_is_what_is_asked_for(verdict: Verdict, policy_folder: Path) -> None:
    policy = load_policy(policy_folder)
    made = provenance(verdict, IMAGE.repository, builder=BUILDER, base_image=f"x.io/base@{digest('7')}", run="iris-1")
    assert {entry["name"] for entry in made["buildDefinition"]["resolvedDependencies"]} == {
        "source",
        "source-tree",
        "training-data",
        "independent-data",
        "model",
        "policy",
        "base-image",
    }
    allowed = places(IMAGE, policy)
    checks = predicate_checks("provenance", made, verdict, IMAGE, policy, allowed)
    checks += predicate_checks("tests", result_of_tests(verdict), verdict, IMAGE, policy, allowed)
    assert [check.name for check in checks if not check.passed] == []
    assert same("provenance", made, {**made, "runDetails": {**made["runDetails"], "metadata": {}}})
    other = provenance(verdict, IMAGE.repository, builder=BUILDER, base_image=f"x.io/base@{digest('8')}")
    assert not same("provenance", made, other)


@pytest.mark.parametrize(("kind", "change", "complaint"), DIFFERENT)
def test_what_says_something_else_than_the_verdict_is_refused(
    verdict: Verdict, policy_folder: Path, kind: Any, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    policy = load_policy(policy_folder)
    made = {"provenance": provenance(verdict, IMAGE.repository, builder=BUILDER), "tests": result_of_tests(verdict)}
    predicate = json.loads(json.dumps(made[kind]))
    change(predicate)
    checks = predicate_checks(kind, predicate, verdict, IMAGE, policy, places(IMAGE, policy))
    told = [f"NO  {check.name}: {check.value}" for check in checks if not check.passed]
    assert any(complaint in text for text in told), told


def test_a_dependency_that_stands_twice_is_refused(verdict: Verdict, policy_folder: Path) -> None:
    policy = load_policy(policy_folder)
    made = provenance(verdict, IMAGE.repository, builder=BUILDER)
    made["buildDefinition"]["resolvedDependencies"].append({"name": "model", "digest": {"sha256": "9" * 64}})
    checks = predicate_checks("provenance", made, verdict, IMAGE, policy, places(IMAGE, policy))
    assert [check.name for check in checks if not check.passed] == ["provenance's dependencies"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["buildDefinition", "resolvedDependencies", "runDetails", "configuration", "passedTests", "metadata", "scanner"]


@given(
    predicate=JSON | st.dictionaries(st.sampled_from(KEYS), JSON),
    kind=st.sampled_from(sorted(set(TYPES) - {"verdict"})),
)
def test_whatever_is_attested_is_answered_with_a_refusal_and_never_with_an_exception(predicate: Any, kind: Any) -> None:
    content = verdict_content(digest("b"), "registry.example.com/candidates/iris", IMAGE.digest)
    verdict = Verdict.model_validate_json(json.dumps(content))
    checks = predicate_checks(kind, predicate, verdict, IMAGE, POLICY, places(IMAGE, POLICY))
    assert checks
    assert not all(check.passed for check in checks)
    assert same(kind, predicate, json.loads(json.dumps(predicate)))


def _policy() -> Policy:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "policy.yaml").write_text(POLICY_WITH_KEY)
        return load_policy(Path(name))


POLICY = _policy()


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1, "a": 2}', "1", "\udcff"])
def test_a_file_that_is_no_json_object_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError):
        read_predicate("sbom.cdx.json", text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("docker.io/team/iris", "index.docker.io/team/iris"),
        ("docker.io/iris", "index.docker.io/library/iris"),
        ("registry.example.com:5000/a/b", "registry.example.com:5000/a/b@sha256:0"),
    ],
)
def test_a_repository_is_known_by_the_name_that_cosign_has_for_it(one: str, other: str) -> None:
    assert normal(one) == normal(other)


def entry(kind: str, **critical: Any) -> dict[str, Any]:
    return {"critical": {"type": kind, "image": {"docker-manifest-digest": IMAGE.digest}, **critical}}


def test_only_what_calls_itself_a_signature_of_the_format_counts() -> None:
    legacy = entry("cosign container image signature", identity={"docker-reference": str(IMAGE)})
    bundle, sbom = entry("https://sigstore.dev/cosign/sign/v1"), entry(TYPES["sbom"])
    (found,) = parse_signatures(json.dumps([legacy, bundle, sbom]), "legacy")
    assert (found.digest, found.repository) == (IMAGE.digest, IMAGE.repository)
    (found,) = parse_signatures(json.dumps([legacy, bundle, sbom]), "bundle")
    assert found.repository is None
    assert parse_signatures(json.dumps([sbom]), "bundle") == []
    (found,) = parse_signatures(json.dumps([entry("cosign container image signature")]))
    assert found.repository == "", "a signature that names no repository is of no repository"


@pytest.mark.parametrize("subject", ["x", [], [{}], [{"digest": {"sha256": "0"}, "name": 1}], [1]])
def test_a_statement_whose_subjects_are_no_subjects_is_never_believed(subject: Any) -> None:
    content = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "subject": subject}
    payload = base64.b64encode(json.dumps(content).encode()).decode()
    line = json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload})
    try:
        (found,) = parse_statements(line)
    except ToolFailedError:
        return
    assert IMAGE.digest not in found.digests


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("publicKeys: []", "names nobody who may sign"),
        ("keyless: [{identity: ci@example.com, issuer: 'https://issuer.example.com'}]", "keyless needs"),
        ("attestations: [provenance]", "attestations must have `verdict`"),
        ("attestations: [opinion]", "attestations"),
        ("keyless: [{identity: ci@example.com, issuer: anywhere}], format: bundle", "issuer"),
        ("format: zip", "format"),
    ],
)
def test_rules_about_signing_that_ask_for_nothing_or_for_what_cannot_be_are_bad_input(
    policy_folder: Path, text: str, complaint: str
) -> None:
    signing(policy_folder, text)
    with pytest.raises(BadInputError) as raised:
        load_policy(policy_folder)
    assert complaint in raised.value.message


def test_without_sigstore_s_trusted_root_nothing_is_said_about_a_bundle() -> None:
    done = Completed(exit_code=1, stdout="", stderr="Error: trusted root is required when using new bundle format\n")
    assert "lies beside the legacy signature" in cosign._error(done, "legacy")
    with pytest.raises(ToolFailedError, match="did not get sigstore's trusted root"):
        cosign._error(done, "bundle")


def test_an_identity_is_asked_for_with_its_issuer_and_with_the_log(policy_folder: Path) -> None:
    known = "identity: https://git.example.com/ci, issuer: https://issuer.example.com"
    signing(policy_folder, f"publicKeys: [], format: bundle, trustedRoot: root.json, keyless: [{{{known}}}]")
    policy = load_policy(policy_folder)
    with pytest.raises(BadInputError, match=r"root\.json"):
        signers(policy, policy_folder)
    (policy_folder / "root.json").write_text('{"ctlogs": [{}]}')
    (signer,) = signers(policy, policy_folder).values()
    tool = Cosign(authfile=policy_folder / "config.json", tls_verify=True, version=(3, 1), written=("bundle",))
    flags = tool._verify(signer, "bundle")
    assert "--certificate-identity=https://git.example.com/ci" in flags
    assert "--certificate-oidc-issuer=https://issuer.example.com" in flags
    assert f"--trusted-root={policy_folder / 'root.json'}" in flags
    assert not [flag for flag in flags if flag.startswith(("--key", "--insecure"))]
    # An authority of one's own that no log of certificates watches, by the policy's own words.
    (policy_folder / "root.json").write_text("{}")
    assert "--insecure-ignore-sct=true" in tool._verify(signer, "bundle")
    (policy_folder / "root.json").write_text("no root")
    with pytest.raises(BadInputError, match=r"root\.json is no trusted root"):
        tool._verify(signer, "bundle")


def test_cosign_3_is_told_which_format_to_read_and_an_old_one_gets_no_flag_that_it_does_not_know(
    tmp_path: Path,
) -> None:
    signer = Signer(public_key=tmp_path / "cosign.pub")
    flags = {
        version: Cosign(authfile=tmp_path / "config.json", tls_verify=True, version=version)._verify(signer, "legacy")
        for version in ((2, 4), (2, 6), (3, 1))
    }
    assert [flag for flag in flags[2, 4] if "bundle" in flag] == []
    assert "--new-bundle-format=false" in flags[3, 1]


def test_a_key_elsewhere_gets_the_variables_of_its_service_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "VAULT_TOKEN", "SOME_SECRET"):
        monkeypatch.setenv(name, "x")
    found = set(PrivateKey(reference="awskms:///alias/release").env)
    assert {"AWS_REGION", "COSIGN_PASSWORD"} <= found
    assert not {"VAULT_TOKEN", "SOME_SECRET", "PATH"} & found
    own = PrivateKey(reference="/keys/cosign.key", password="hunter2")  # noqa: S106
    assert set(own.env) == {"COSIGN_PASSWORD"}
    assert "hunter2" not in repr(own)
