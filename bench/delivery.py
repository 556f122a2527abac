"""How much the pipeline costs over the bare tools: `make run`, warm, against the same tools called by hand, one by one.

Both do the same work on the same files with the same registries, base image and key, in turn, several times; the
figure is the ratio of each pair, so that a machine whose speed drifts does not change it. The bare side leaves out
everything that is Hallmark's: sandboxes, digests, reports, verdict, checks of what was handed over.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hallmark.process import INHERITED
from laptop import world
from laptop.console import say
from laptop.deliver import SAMPLE
from laptop.delivery import Project, Sides, deliver, set_up

GOAL = 1.3
SUITES = """
import great_expectations as gx, pandas as pd, json, sys
context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("data").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
for data, suite in zip(sys.argv[1::2], sys.argv[2::2]):
    parsed = json.load(open(suite))
    checks = [gx.expectations.core.__dict__["".join(w.title() for w in e["type"].split("_"))](**e["kwargs"])
              for e in parsed["expectations"]]
    batch = asset.get_batch(batch_parameters={"dataframe": pd.read_csv(data)})
    assert batch.validate(gx.ExpectationSuite(name=parsed["name"], expectations=checks)).success
"""
PREDICT = """
import pandas as pd, skops.io, sys
rows = pd.read_csv(sys.argv[2])
print((skops.io.load(sys.argv[1]).predict(rows.iloc[:, :4].to_numpy()) == rows.iloc[:, 4]).mean())
"""
CALL = """
import http.client, json, sys, time, pandas as pd
rows = pd.read_csv(sys.argv[2]).iloc[:, :4].values.tolist()
for _ in range(600):
    try:
        client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
        client.request("GET", "/v2/health/ready")
        if client.getresponse().read() is not None:
            break
    except OSError:
        time.sleep(0.1)
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
client.request("POST", "/v1/models/iris:predict", json.dumps({"instances": rows}))
assert client.getresponse().status == 200
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="counted pairs, after one that is not (default: 3)")
    pairs = parser.parse_args().pairs
    with (
        tempfile.TemporaryDirectory(prefix="hallmark-bench-") as name,
        world.running(Path(".hallmark").resolve(), say) as found,
    ):
        sides = Sides(repository=SAMPLE / "repository", validators=SAMPLE / "validators", config=SAMPLE / "config")
        project = set_up(found, sides, "bench")
        stamp = int(time.time())
        ratios = []
        for number in range(pairs + 1):
            whole = timed(lambda number=number: _deliver(project, f"bench-{stamp}-{number}"))
            folder = Path(name) / str(number)
            folder.mkdir()
            parts = bare(project, folder)
            total = sum(parts.values())
            if number:
                ratios.append(whole / total)
            print(f"pipeline {whole:.1f} s, bare tools {total:.1f} s, ratio {whole / total:.2f}", flush=True)
    for tool, seconds in parts.items():
        print(f"  {tool:<28} {seconds:5.2f} s")
    median = statistics.median(ratios)
    print(f"ratio over {pairs} pairs: min {min(ratios):.2f}, median {median:.2f}, max {max(ratios):.2f} (goal {GOAL})")
    return 0


def _deliver(project: Project, name: str) -> None:
    delivery = deliver(project, name, quiet=True)
    if delivery.exit_code:
        raise SystemExit(f"the delivery failed: {delivery.run['status']['conditions']}")


def bare(project: Project, folder: Path) -> dict[str, float]:
    """The seconds each tool takes when it is called by hand, in the order of a delivery."""
    services = project.world
    python = sys.executable
    source, model, image = folder / "source", folder / "model.skops", f"{project.candidate_image}:bare"
    released = f"{project.release_image}-bare"
    candidates, releases = services.candidates.auth_file, services.releases.auth_file
    training, independent = source / "data/training.csv", project.data / "independent.csv"
    store = folder / "containers"
    buildah = f"buildah --root {store} --runroot {folder}/run --storage-driver overlay"
    if services.base.store:
        buildah += f" --storage-opt overlay.imagestore={services.base.store}/storage"
    podman = (
        f"podman --root {folder.parent}/store --runroot {folder.parent}/run --runtime runc --cgroup-manager cgroupfs"
    )
    port = _free_port()
    cosign = {"COSIGN_PASSWORD": services.keys.password.read_text(), "DOCKER_CONFIG": str(releases.parent)}
    path = f"{Path(python).parent}:{os.environ['PATH']}"
    times: dict[str, float] = {}

    def step(name: str, command: str, env: dict[str, str] | None = None) -> str:
        start = time.monotonic()
        done = subprocess.run(
            [shutil.which(shlex.split(command)[0], path=path) or command, *shlex.split(command)[1:]],
            cwd=source if source.exists() else folder,
            env={**{key: os.environ[key] for key in INHERITED if key in os.environ}, "PATH": path, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        times[name] = times.get(name, 0) + time.monotonic() - start
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    step("git clone", f"git clone --quiet {services.git_url}/{project.source.name} {source}")
    step("ruff", "ruff check --isolated --no-cache --select E9,F,B .")
    step("bandit", "bandit --quiet --recursive -ll -ii --skip B104 .")
    step("pytest", f"{python} -m pytest --quiet --cov=. -p no:cacheprovider", {"PYTHONDONTWRITEBYTECODE": "1"})
    (folder / "suites.py").write_text(SUITES)
    suites = f"{training} {project.policy}/training-suite.json {independent} {project.policy}/independent-suite.json"
    step("great-expectations", f"{python} {folder}/suites.py {suites}", {"GX_ANALYTICS_ENABLED": "false"})
    step("train", f"{python} train.py --data={training} --model={model} --seed=7 --C=1.0")
    (folder / "predict.py").write_text(PREDICT)
    step("predict", f"{python} {folder}/predict.py {model} {independent}")
    (source / "model").mkdir()
    (source / "model/model.skops").write_bytes(model.read_bytes())
    _seed_blob_cache(project, store)
    step(
        "buildah build",
        f"{buildah} build --quiet --pull-never --isolation chroot --layers=false --timestamp 0 "
        f"--build-arg BASE_IMAGE={services.base.reference} -f Containerfile -t {image} .",
    )
    digests = folder / "digest"
    step(
        "buildah push",
        f"{buildah} push --quiet --tls-verify=false --authfile {candidates} --digestfile {digests} {image}",
    )
    digest = digests.read_text()
    by_digest = f"{project.candidate_image}@{digest}"
    run = f"{podman} run --detach --quiet --tls-verify=false --authfile {candidates} --network host --env PORT={port}"
    limits = "--ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --read-only --user 1000650000:0"
    container = step("podman run", f"{run} {limits} {by_digest}")
    (folder / "call.py").write_text(CALL)
    step("call the container", f"{python} {folder}/call.py {port} {independent}")
    step("podman rm", f"{podman} rm --force --time 1 {container}")
    copy = "skopeo copy --quiet --preserve-digests --src-tls-verify=false --dest-tls-verify=false"
    step(
        "skopeo copy",
        f"{copy} --src-authfile {candidates} --dest-authfile {releases} docker://{by_digest} docker://{released}:bare",
    )
    verdict = folder / "verdict.json"
    verdict.write_text("{}")
    key, target = services.keys, f"{released}@{digest}"
    step("cosign sign", f"{services.cosign} sign --yes --tlog-upload=false --key {key.private} {target}", cosign)
    step(
        "cosign attest",
        f"{services.cosign} attest --yes --tlog-upload=false --key {key.private} --predicate {verdict} "
        f"--type custom {target}",
        cosign,
    )
    verify = f"--insecure-ignore-tlog=true --key {key.public} {target}"
    step("cosign verify", f"{services.cosign} verify {verify}", cosign)
    step("cosign verify-attestation", f"{services.cosign} verify-attestation --type custom {verify}", cosign)
    config = folder / "config"
    step("git clone", f"git clone --quiet {services.git_url}/{project.config.name} {config}")
    identity = f"git -C {config} -c user.name=bench -c user.email=bench@hallmark.invalid"
    step("git commit and push", f"{identity} commit --quiet --allow-empty -m bench")
    step("git commit and push", f"git -C {config} push --quiet origin HEAD:refs/heads/bench-{folder.name} --force")
    return times


def _seed_blob_cache(project: Project, store: Path) -> None:
    """What a builder keeps between builds: the digests of the base's layers, so that a push need not compress them."""
    kept = project.world.base.store
    if kept is not None:
        (store.parent / "cache").mkdir(exist_ok=True)
        (store / "cache").mkdir(parents=True)
        (store / "cache/blob-info-cache-v1.boltdb").write_bytes((kept / "cache/blob-info-cache-v1.boltdb").read_bytes())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def timed(action: object) -> float:
    """The wall seconds of a call."""
    start = time.monotonic()
    action()  # type: ignore[operator]
    return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
