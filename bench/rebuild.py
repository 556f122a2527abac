"""What a change of nothing but the model costs: a new image on the base that the registry has, built and pushed.

Two ways take turns, each with a new model of 3 MB every time: `hallmark build-image` of a repository without a
Containerfile, and Buildah with the vfs driver, which has the base unpacked already. The base is the one that
`make run` has made (about 400 MB unpacked), or any OCI layout.

    python bench/rebuild.py [--base=LAYOUT] [--rounds=3]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree
from laptop.registry import Registry, running
from laptop.setup import ROOT

GOAL_SECONDS = 3.0
MODEL_BYTES = 3 << 20
COMMIT = "c" * 40
DESCRIPTION = """\
apiVersion: hallmark.dev/v1alpha1
kind: Model
metadata: {name: bench, version: 1.0.0}
data: {training: training.csv, label: label, features: [width]}
training: {script: train.py}
image: {builder: server}
"""
POLICY = """\
apiVersion: hallmark.dev/v1alpha1
kind: Policy
metadata: {name: bench}
data:
  independent: {path: data.csv, sha256: "sha256:%s", label: label, features: [width]}
model: {metrics: {accuracy: {minimum: 0.9}}}
image: {bases: ["%s"]}
"""


def call(argv: Sequence[str]) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def by_hallmark(registry: Registry, base: str, folder: Path, digests: Sequence[str]) -> None:
    """Build and push with `hallmark build-image`, as its Task calls it."""
    source_digest, model_digest = digests
    argv = [sys.executable, "-m", "hallmark.cli", "build-image", f"--source={folder / 'source'}"]
    argv += [f"--model={folder / 'model'}", f"--source-digest={source_digest}", f"--model-digest={model_digest}"]
    argv += [f"--data-digest={model_digest}", f"--commit={COMMIT}", "--commit-time=1767225600"]
    argv += ["--repository-url=https://git.example.com/team/bench.git", f"--base-image={base}"]
    argv += [f"--policy={folder / 'policy'}", f"--policy-digest={policy_digest(folder / 'policy')}"]
    argv += [f"--candidate-image={registry.address}/candidates/bench", f"--credential={registry.credential}"]
    call([*argv, "--tls-verify=false", f"--report={folder / 'report'}"])


def by_buildah(registry: Registry, base: str, folder: Path) -> None:
    """Build and push with Buildah's vfs driver on a base that is there."""
    (folder / "Containerfile").write_text(f"FROM {base}\nCOPY model/ /app/model/\n")
    storage = ["buildah", "--storage-driver=vfs", f"--root={folder / 'vfs'}", f"--runroot={folder / 'run'}"]
    call([*storage, "build", "--quiet", "--isolation=chroot", "--pull-never", "--tag=localhost/it", str(folder)])
    pushing = [*storage, "push", "--quiet", "--tls-verify=false", f"--authfile={registry.auth_file}", "localhost/it"]
    call([*pushing, f"docker://{registry.address}/candidates/by-buildah:it"])
    call([*storage, "rmi", "localhost/it"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="OCI layout (default: the newest that make run has made)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    made = sorted((ROOT / ".tools" / "base-image").glob("*/oci"), key=lambda path: path.stat().st_mtime)
    if options.base is None and not made:
        sys.exit("there is no base image yet: call make run first, or name one with --base")
    layout = options.base or made[-1]
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    with tempfile.TemporaryDirectory(prefix="hallmark-bench-", dir="/var/tmp") as place:
        folder = Path(place)
        for part in ("source", "model", "policy"):
            (folder / part).mkdir()
        (folder / "source" / "hallmark.yaml").write_text(DESCRIPTION)
        with running(folder / "registry") as registry:
            base = f"{registry.address}/base/bench@{digest}"
            (folder / "policy" / "policy.yaml").write_text(POLICY % ("0" * 64, base))
            copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]
            target = f"docker://{registry.address}/base/bench:it"
            call([*copy, f"--dest-authfile={registry.auth_file}", f"oci:{layout}:latest", target])
            pull = ["buildah", "--storage-driver=vfs", f"--root={folder / 'vfs'}", f"--runroot={folder / 'run'}"]
            call([*pull, "pull", "--quiet", "--tls-verify=false", f"--authfile={registry.auth_file}", base])
            best: dict[str, float] = {}
            for number in range(options.rounds + 1):
                model = folder / "model" / "model.skops"
                model.write_bytes(secrets.token_bytes(MODEL_BYTES))
                digests = (sha256_tree(folder / "source"), sha256_file(model))
                for name in ("hallmark", "buildah with vfs"):
                    began = time.perf_counter()
                    if name == "hallmark":
                        by_hallmark(registry, base, folder, digests)
                    else:
                        by_buildah(registry, base, folder)
                    took = time.perf_counter() - began
                    if number:  # the first brings the base's layers into the repository
                        best[name] = min(took, best.get(name, took))
                    print(f"{name}: {took:.2f} s{'' if number else ' (the first, which does not count)'}", flush=True)
        shutil.rmtree(folder / "vfs", ignore_errors=True)
    ratio = best["buildah with vfs"] / best["hallmark"]
    print(f"a new model: {best['hallmark']:.2f} s (goal: {GOAL_SECONDS:g} s), buildah {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
