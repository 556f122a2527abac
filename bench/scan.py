"""What a bill of materials and a scan cost on the sample's image, against bare syft on the same image.

`hallmark scan-image` is a process of its own, started from the command line, with a registry on the loopback: fetching,
reading the layers, syft, secrets, rights and the bill. With `--advisories=FOLDER` (OSV's zips) packages are looked up
too; without, a folder of as many made-up advisories as OSV has of Debian and PyPI. Best of the rounds.

    python bench/scan.py --rounds=3
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from measuring import call, seconds

from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_tree
from hallmark.tools.syft import CATALOGERS, _program
from laptop import base_image, registry
from laptop.console import say
from laptop.policies import have_base
from laptop.setup import ROOT, TOOLS

GOAL = 10.0
"""Seconds, without the lookup."""
ENTRIES = {"Debian:12": 45_000, "PyPI": 20_000}
SAMPLE = ROOT / "samples" / "iris"
DIGEST = "sha256:" + "0" * 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--advisories", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hallmark-bench-") as name, registry.running(Path(name) / "r") as shelf:
        folder = Path(name)
        image = base_image.ensure(shelf, TOOLS / "base-image", say, unpacked=False).reference
        advisories = given.advisories or made_up(folder / "osv")
        times: dict[str, list[tuple[float, float]]] = {"syft": [], "scan-image": [], "scan-image and advisories": []}
        for _ in range(given.rounds):
            times["syft"].append(bare(image, shelf.auth_file))
            times["scan-image"].append(scan(folder, image, shelf.credential, None))
            times["scan-image and advisories"].append(scan(folder, image, shelf.credential, advisories))
    best = {what: min(taken) for what, taken in times.items()}
    for what, (taken, used) in best.items():
        print(f"{what:<28}{taken:>7.2f} s{used:>8.2f} s of processors{taken / best['syft'][0]:>7.2f} x")
    print(f"goal: {GOAL:g} s for scan-image: {'reached' if best['scan-image'][0] <= GOAL else 'MISSED'}")


def made_up(folder: Path) -> Path:
    """As many advisories as OSV has, none of which meets a package."""
    folder.mkdir()
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    for ecosystem, number in ENTRIES.items():
        with zipfile.ZipFile(folder / f"{ecosystem.partition(':')[0]}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for count in range(number):
                affected = {
                    "package": {"name": f"package-{count}", "ecosystem": ecosystem},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-1"}]}],
                    "versions": [f"0.{minor}-1" for minor in range(20)],
                }
                entry = {"id": f"X-{count}", "modified": today, "details": "words " * 60, "affected": [affected]}
                archive.writestr(f"X-{count}.json", json.dumps(entry))
    return folder


def bare(image: str, auth: Path) -> tuple[float, float]:
    """syft alone, fetching included."""
    argv = [str(_program()), "scan", "-q", f"--override-default-catalogers={','.join(CATALOGERS)}", "-o=cyclonedx-json"]
    env = {"SYFT_REGISTRY_INSECURE_USE_HTTP": "true", "DOCKER_CONFIG": str(auth.parent)}
    return seconds(lambda: call([*argv, f"registry:{image}"], **env, SYFT_CHECK_FOR_APP_UPDATE="false"))


def scan(folder: Path, image: str, credential: Path, advisories: Path | None) -> tuple[float, float]:
    policy = folder / "policy"
    policy.mkdir(exist_ok=True)
    enabled = str(advisories is not None).lower()
    text = (SAMPLE / "validators" / "policy" / "policy.yaml").read_text()
    (policy / "policy.yaml").write_text(f"{text}\nscan: {{vulnerabilities: {{enabled: {enabled}}}}}\n")
    have_base(policy, image)
    repository, _, digest = image.partition("@")
    source = SAMPLE / "repository"
    flags = {
        "candidate-image": repository,
        "image-digest": digest,
        "base-image": image,
        "candidate-credential": credential,
        "source": source,
        "source-digest": sha256_tree(source),
        "policy": policy,
        "policy-digest": policy_digest(policy),
        "sbom": folder / "sbom",
        "commit": "0" * 40,
        "repository-url": "https://git.example.com/iris.git",
        "tls-verify": "false",
        "report": folder / "report",
        "advisories": advisories or "",
        **dict.fromkeys(("model-digest", "training-data-digest", "independent-data-digest"), DIGEST),
    }
    command = [str(Path(sys.executable).with_name("hallmark")), "scan-image"]
    argv = [*command, *(f"--{name}={value}" for name, value in flags.items())]
    return seconds(lambda: call(argv, PATH=f"{TOOLS / 'bin'}:{os.environ['PATH']}"))


if __name__ == "__main__":
    main()
