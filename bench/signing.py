"""What sign-image and verify-image cost over bare cosign doing the same: the same registry, key, image and statements.

    .venv/bin/python bench/signing.py [--rounds=3]

The bare side is `cosign sign` and a `cosign attest` for each predicate, then `cosign verify` and a `cosign
verify-attestation` for each, one after the other, and skopeo's copy. Both sides start fresh processes, in turn, each
round on a new image; the figures are the median seconds of each, by the clock and of all processors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import call, seconds

from hallmark.attestations import TYPES, provenance, test_result
from hallmark.documents.policy import policy_digest
from hallmark.verdict import Verdict
from laptop.keys import KeyPair, ensure
from laptop.registry import Registry, running

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from unit.hallmark.supply_chain.supply_chain_images import (  # noqa: E402
    COMMIT,
    LABELS,
    POLICY_WITH_KEY,
    layout,
    verdict_content,
)

HALLMARK = [str(Path(sys.executable).with_name("hallmark"))]
GOAL = 0.2
POLICY = POLICY_WITH_KEY.replace("attestations: [verdict], ", "")
"""It asks for what policies ask for by default: provenance and tests beside the verdict."""


def bare_sign(registry: Registry, key: KeyPair, source: str, image: str, files: dict[str, Path]) -> None:
    auth = f"--authfile={registry.auth_file}"
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    target = f"{image.partition('@')[0]}:bare"
    call(
        [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--preserve-digests",
            *tls,
            auth,
            source,
            f"docker://{target}",
        ]
    )
    env = {"DOCKER_CONFIG": str(registry.credential), "COSIGN_PASSWORD": key.password.read_text()}
    flags = [f"--key={key.private}", "--tlog-upload=false", "--yes"]
    call(["cosign", "sign", *flags, image], **env)
    for kind, file in files.items():
        call(["cosign", "attest", *flags, f"--type={kind}", f"--predicate={file}", image], **env)


def bare_verify(registry: Registry, key: KeyPair, image: str, kinds: list[str]) -> None:
    env = {"DOCKER_CONFIG": str(registry.credential), "SIGSTORE_REKOR_PUBLIC_KEY": "/dev/null"}
    flags = [f"--key={key.public}", "--insecure-ignore-tlog=true"]
    call(["cosign", "verify", *flags, image], **env)
    for kind in kinds:
        call(["cosign", "verify-attestation", *flags, f"--type={kind}", image], **env)


def one_round(folder: Path, registry: Registry, key: KeyPair, policy: Path, number: int) -> list[tuple[float, float]]:
    """Seconds of bare signing, sign-image, bare verifying and verify-image."""
    folder.mkdir()
    candidate, ours, theirs = (f"{registry.address}/{name}/iris-{number}" for name in ("candidates", "ours", "bare"))
    # A new image for each round.
    image = layout(folder / "layout", {**LABELS, "number": str(number)}, layer_tar=os.urandom(1 << 20))
    auth = f"--dest-authfile={registry.auth_file}"
    push = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", auth]
    call([*push, f"oci:{folder}/layout:it", f"docker://{candidate}:it"])
    judged = Verdict.model_validate_json(json.dumps(verdict_content(policy_digest(policy), candidate, image)))
    file = judged.write(folder)
    predicates = {
        TYPES["provenance"]: provenance(judged, ours, builder="https://hallmark.dev/builders/tekton/v1"),
        TYPES["tests"]: test_result(judged),
    }
    files = {TYPES["verdict"]: file}
    for at, (kind, predicate) in enumerate(predicates.items()):
        files[kind] = folder / f"{at}.json"
        files[kind].write_text(json.dumps(predicate))
    pinned = policy_digest(policy)
    common = [f"--policy={policy}", f"--policy-digest={pinned}", "--tls-verify=false"]
    sign = [
        *HALLMARK,
        "sign-image",
        *common,
        f"--candidate-image={candidate}",
        f"--image-digest={image}",
        f"--release-image={ours}",
        f"--commit={COMMIT}",
        f"--verdict={folder}",
        f"--verdict-digest=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
        f"--signing-key={key.private.parent}",
        f"--candidate-credential={registry.credential}",
        f"--release-credential={registry.credential}",
    ]
    verify = [*HALLMARK, "verify-image", *common, f"--image={ours}@{image}", f"--credential={registry.credential}"]
    return [
        seconds(lambda: bare_sign(registry, key, f"docker://{candidate}@{image}", f"{theirs}@{image}", files)),
        seconds(lambda: call(sign)),
        seconds(lambda: bare_verify(registry, key, f"{theirs}@{image}", list(files))),
        seconds(lambda: call(verify)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    os.environ["PATH"] = f"{ROOT / '.tools' / 'bin'}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="bench-signing-") as name, running(Path(name) / "registry") as registry:
        folder = Path(name)
        key = ensure(folder / "key", ROOT / ".tools" / "bin" / "cosign")
        policy = folder / "policy"
        policy.mkdir()
        (policy / "policy.yaml").write_text(POLICY)
        (policy / "cosign.pub").write_bytes(key.public.read_bytes())
        (key.private.parent / "policies").write_text(policy_digest(policy))
        times = [one_round(folder / str(number), registry, key, policy, number) for number in range(rounds)]
    columns = list(zip(*times, strict=True))
    clock, used = ([statistics.median(pair[at] for pair in column) for column in columns] for at in (0, 1))
    for what, at in (("signing", 0), ("verifying", 2)):
        more = clock[at + 1] - clock[at]
        held = "" if more <= GOAL else f"  MORE THAN {GOAL} s"
        print(f"{what:10} bare {clock[at]:.2f} s, Hallmark {clock[at + 1]:.2f} s: {more:+.2f} s{held}")
        print(f"           of all processors: bare {used[at]:.2f} s, Hallmark {used[at + 1]:.2f} s")


if __name__ == "__main__":
    main()
