"""Signing a release: what is not yet on the image is signed and attested."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark.attestations import TYPES, provenance, same, test_result
from hallmark.documents.policy import Policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.image_reference import Image
from hallmark.release import holds_for_long
from hallmark.signatures import attested, is_about, signature_check
from hallmark.signing_credentials import SigningKey
from hallmark.tools.cosign import Answer, Cosign, Signer, Signing
from hallmark.tools.cosign_output import Statement, Written
from hallmark.verdict import Verdict, read_verdict, this_second


def predicates(
    policy: Policy,
    verdict: Verdict,
    released: Image,
    *,
    base_image: str,
    run: str,
    given: Mapping[Attestation, dict[str, Any]],
) -> dict[Attestation, dict[str, Any]]:
    """What is to be attested beside the verdict: all that there is, also what the policy does not ask for."""
    built = provenance(verdict, released.repository, builder=policy.signing.builder, base_image=base_image, run=run)
    return {"provenance": built, "tests": test_result(verdict), **given}


def sign(
    tool: Cosign,
    released: Image,
    key: SigningKey,
    policy: Policy,
    text: str,
    others: Callable[[Verdict], Mapping[Attestation, dict[str, Any]]],
    say: Callable[[str], None],
    *,
    fresh: bool = False,
) -> None:
    """Sign and attest in each format what this key has not signed and attested before.

    Args:
        text: the verdict's, as it is attested.
        others: what is attested beside it, for the verdict that will stand: an earlier one that says the same and is
            good for long is not replaced.
        fresh: the image was not there a moment ago, so that nobody need ask what has been said of it.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-key-") as name:
        folder = Path(name)
        own = key.signers(folder)
        for number, kept in enumerate(tool.written):
            looked = tool.read[min(number, len(tool.read) - 1)]
            job = _Job(tool=tool, image=released, key=key.private, folder=folder, kept=kept)
            _once(job, own, None if fresh else looked, policy, text, others, say)


@dataclass(frozen=True, kw_only=True)
class _Job:
    tool: Cosign
    image: Image
    key: Signing
    folder: Path
    kept: Written

    def sign(self) -> None:
        self.tool.sign(self.image, self.key, self.kept)

    def write(self, missing: Mapping[Attestation, str], *, signed: bool) -> None:
        """All of it, in turn."""
        if not signed:
            self.sign()
        self.attest(missing)

    def attest(self, missing: Mapping[Attestation, str]) -> None:
        """One after the other: the attestations of an image are one list, which cosign reads, extends and writes."""
        for kind, text in missing.items():
            file = self.folder / f"{self.kept}-{kind}.json"
            file.write_text(text, encoding="utf-8")
            self.tool.attest(self.image, self.key, file, TYPES[kind], self.kept)


def _once(
    job: _Job,
    own: Mapping[str, Signer],
    looked: Written | None,
    policy: Policy,
    text: str,
    others: Callable[[Verdict], Mapping[Attestation, dict[str, Any]]],
    say: Callable[[str], None],
) -> None:
    kinds: list[Attestation] = ["verdict", *others(read_verdict(text))]
    with ThreadPoolExecutor(max_workers=2) as pool:
        signed, answers = False, dict.fromkeys(kinds, Answer())
        if looked is not None:
            asked = pool.submit(signature_check, job.tool, job.image, own, policy, looked)
            found = attested(job.tool, job.image, own, kinds, looked)
            signed = asked.result().passed
            if signed or looked == "legacy":
                # Where there are no bundles cosign 3 reads what is kept the other way; the signature is written first.
                answers = found
        missing = _missing(answers, job.image, policy, text, others)
        say("signed by this key before" if signed else "signing")
        if "verdict" not in missing:
            say("this verdict was attested before")
        if missing:
            say(f"attesting {', '.join(missing)}")
        if job.kept == "bundle":
            # Referrers of a registry without their API are one list too, the signature's among them.
            tasks = [pool.submit(job.write, missing, signed=signed)]
        else:
            tasks = [pool.submit(job.attest, missing), *([] if signed else [pool.submit(job.sign)])]
        for task in tasks:
            task.result()


def _missing(
    answers: Mapping[Attestation, Answer],
    image: Image,
    policy: Policy,
    text: str,
    others: Callable[[Verdict], Mapping[Attestation, dict[str, Any]]],
) -> dict[Attestation, str]:
    """What is to be attested, as JSON: what no statement of this key says yet."""
    mine = read_verdict(text)
    stands = next((found for one in answers["verdict"].found if (found := _enough(one, image, mine, policy))), None)
    missing: dict[Attestation, str] = {} if stands else {"verdict": text}
    for kind, predicate in others(stands or mine).items():
        there = answers[kind].found if kind in answers else ()
        if not any(is_about(kind, one, image, policy) and same(kind, one.predicate, predicate) for one in there):
            missing[kind] = json.dumps(predicate)
    return missing


def _enough(statement: Statement, image: Image, verdict: Verdict, policy: Policy) -> Verdict | None:
    """The verdict that was attested, if it says what `verdict` says, and will be good for a while."""
    try:
        found = read_verdict(json.dumps(statement.predicate))
    except BadInputError:
        return None
    right = is_about("verdict", statement, image, policy) and verdict.judges_the_same(found)
    return found if right and holds_for_long(found, policy, this_second()) else None
