"""The step images at work in containers like a cluster's pods: a random user, a read-only root, no capability."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from cluster import step_images
from cluster.step_tools import NAMES, RECIPE
from hallmark.files import sha256_mounted, sha256_tree
from hallmark.process import run
from laptop import base_image, registry, repositories
from laptop.containers import remove
from laptop.policies import have_base
from laptop.serving_packages import read_names
from laptop.setup import ROOT, TOOLS

SAMPLE = ROOT / "samples" / "iris"
RANDOM_USER = "1000650000:0"
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
RESTRICTED = ["--network", "none", "--user", RANDOM_USER, "--cap-drop", "all", "--security-opt", "no-new-privileges"]
BUILD_CAPABILITIES = (
    "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,SYS_CHROOT,MKNOD,AUDIT_WRITE,NET_RAW"
    ",SETFCAP"
)
"""Those that a container engine gives by itself, and the one that the Task asks for."""

COMMIT = "4" * 40


@pytest.fixture(scope="module")
def images():
    found = step_images.ensure(step_images.CACHE, print)
    print(step_images.table(found))
    return found


@pytest.fixture(scope="module")
def podman(images, tmp_path_factory):
    """Runs a step image; podman's images are its own and go afterwards."""
    folder = tmp_path_factory.mktemp("podman")
    storage = [str(folder / "storage"), str(folder / "run")]
    for image in images.values():
        target = f"containers-storage:[overlay@{'+'.join(storage)}]localhost/{image.name}"
        run(["skopeo", "--insecure-policy", "copy", "--quiet", image.source, target], timeout=300)
    own = ["--storage-driver", "overlay", "--root", storage[0], "--runroot", storage[1]]

    def start(image, arguments, *, volumes=(), options=RESTRICTED, entrypoint=()):
        argv = ["podman", *own, "--runtime", "runc", "--cgroup-manager", "cgroupfs", "run", "--rm", "--read-only"]
        argv += [*LIMITS, *options, *(f"--volume={volume}" for volume in volumes)]
        argv += [f"--entrypoint={entry}" for entry in entrypoint]
        return run([*argv, f"localhost/{image}", *arguments], accept=None, timeout=300)

    yield start
    run(["podman", *own, "system", "reset", "--force"], accept=None, timeout=120)
    remove(folder)


class Workshop:
    """The sample's folders, as a run has them, and the results of the steps that ran on them."""

    def __init__(self, folder, podman):
        self.folder, self.podman, self.results = folder, podman, {}
        # Folders of a volume belong to group 0, as does the random user.
        folder.chmod(0o775)
        shutil.copytree(SAMPLE / "repository", folder / "source")
        shutil.copytree(SAMPLE / "validators" / "policy", folder / "policy")
        shutil.copytree(SAMPLE / "validators" / "data", folder / "data")
        repositories.publish(folder / "source", folder / "history", "The sample")
        self.commit = f"--commit={repositories.head(folder / 'history')}"
        self.source_digest = f"--source-digest={sha256_tree(folder / 'source')}"
        self.policy_digest = f"--policy-digest={sha256_mounted(folder / 'policy')}"

    def step(self, command, *flags, reads=(), writes=(), results=(), policy=True):
        """Run a gate in the image `steps`; what it reads is mounted read-only."""
        reads = ["source", *(["policy"] if policy else []), *reads]
        for name in (*writes, f"reports-{command}", "results"):
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name).chmod(0o775)
        volumes = [f"{self.folder / name}:/workspace/{name}:ro" for name in reads]
        volumes += [f"{self.folder / name}:/workspace/{name}" for name in (*writes, f"reports-{command}", "results")]
        digests = [self.source_digest, *([self.policy_digest] if policy else [])]
        paths = [f"--{name}=/workspace/{name}" for name in (*reads, *writes)]
        answers = [f"--result-{name}=/workspace/results/{name}" for name in results]
        report = [f"--report=/workspace/reports-{command}"]
        done = self.podman("steps", [command, *paths, *digests, *flags, *report, *answers], volumes=volumes)
        assert done.exit_code == 0, done.stdout + done.stderr
        return done

    def result(self, name):
        return (self.folder / "results" / name).read_text()


@pytest.fixture(scope="module")
def workshop(podman, tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("run"), podman)


@pytest.fixture(scope="module")
def trained(workshop):
    workshop.step("train", writes=["model"], results=["model-digest"], policy=False)
    return workshop


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_can_do_to_a_user_without_a_name_or_a_home(podman, name):
    done = podman(name, ["--help"], options=[*RESTRICTED, "--env", "HOME=/"])
    assert done.exit_code == 0, done.stderr
    assert "usage: hallmark" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_it_starts(podman, name):
    for command in read_names(RECIPE / name / "commands.txt"):
        done = podman(name, [command, "--help"])
        assert done.exit_code == 0, done.stderr


def test_the_signing_image_has_tools_that_run(podman):
    for argv in (["git", "--version"], ["skopeo", "--version"], ["cosign", "version"], ["ssh", "-V"]):
        done = podman("delivery", argv[1:], entrypoint=argv[:1])
        assert done.exit_code == 0, f"{argv}: {done.stderr}"


def test_only_the_image_that_needs_a_tool_has_it(podman):
    asked = [
        "-c",
        "for name in buildah cosign git gitleaks skopeo; do command -v $name >/dev/null && echo $name; done; true",
    ]
    found = {name: podman(name, asked, entrypoint=["sh"]).stdout.split() for name in NAMES}
    assert found == {
        "steps": ["git", "gitleaks"],
        "build": ["buildah", "skopeo"],
        "delivery": ["cosign", "git", "gitleaks", "skopeo"],
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_bytecode_is_missing(podman, name):
    """Nobody could write it later, and each start would compile anew what has none."""
    code = (
        "import pathlib, importlib.util as u; root = pathlib.Path('/opt/hallmark/lib'); "
        "print([str(p) for p in root.rglob('*.py') if not pathlib.Path(u.cache_from_source(p)).exists()])"
    )
    assert podman(name, ["-Ic", code], entrypoint=["python3"]).stdout.strip() == "[]"


def test_the_code_gates_pass_the_sample(workshop):
    workshop.step("check-code", workshop.commit, reads=["history"], results=["report-digest"])
    workshop.step("test-code", results=["report-digest"])


def test_the_data_gates_pass_the_sample(workshop):
    workshop.step("validate-data", reads=["data"], results=["report-digest"])


def test_the_sample_is_trained_and_predicts(trained):
    trained.step(
        "prepare-evaluation",
        reads=["data"],
        writes=["features", "labels"],
        results=["features-digest", "probes-digest", "labels-digest"],
    )
    trained.step(
        "predict-model",
        f"--features-digest={trained.result('features-digest')}",
        f"--probes-digest={trained.result('probes-digest')}",
        f"--model-digest={trained.result('model-digest')}",
        "--champion-digest=none",
        reads=["features", "model"],
        writes=["predictions"],
        results=["predictions-digest", "performance-digest"],
    )
    assert trained.result("predictions-digest").startswith("sha256:")


def test_the_sample_s_image_is_built_with_a_pod_s_capabilities(trained, podman, tmp_path):
    """As the Task asks: root with SETFCAP beside the usual capabilities, but not SYS_ADMIN."""
    state, report = tmp_path / "containers", tmp_path / "report"
    state.mkdir()
    report.mkdir()
    try:
        with registry.running(tmp_path / "candidates") as candidates:
            base = base_image.ensure(candidates, TOOLS / "base-image", print, environment={})
            policy = tmp_path / "policy"
            shutil.copytree(trained.folder / "policy", policy)
            have_base(policy, base.reference, environment={})
            volumes = [f"{trained.folder / name}:/workspace/{name}:ro" for name in ("source", "model")]
            volumes += [f"{policy}:/workspace/policy:ro"]
            volumes += [f"{state}:/var/lib/containers", f"{report}:/workspace/report"]
            volumes += [f"{candidates.credential}:/workspace/credential:ro"]
            flags = [f"--{name}=/workspace/{name}" for name in ("source", "policy", "model", "credential", "report")]
            flags += [f"--candidate-image={candidates.address}/candidates/iris", f"--base-image={base.reference}"]
            flags += [trained.source_digest, f"--policy-digest={sha256_mounted(policy)}", f"--commit={COMMIT}"]
            flags += [f"--model-digest={trained.result('model-digest')}"]
            flags += ["--commit-time=1767225600", "--repository-url=https://git.example.com/iris", "--tls-verify=false"]
            flags += [f"--data-digest=sha256:{'5' * 64}", "--result-image-digest=/workspace/report/digest"]
            # The registry is on this machine's loopback, hence its network.
            options = ["--network", "host", "--user", "0:0", "--cap-drop", "all", f"--cap-add={BUILD_CAPABILITIES}"]
            done = podman("build", ["build-image", *flags], volumes=volumes, options=options)
            assert done.exit_code == 0, done.stdout + done.stderr
            assert candidates.holds("candidates/iris", (report / "digest").read_text())
    finally:
        remove(tmp_path / "candidates", state)


def test_asking_again_takes_no_time(images):
    started = time.monotonic()
    assert step_images.ensure(step_images.CACHE, pytest.fail) == images
    assert time.monotonic() - started < 5


def test_the_command_prints_their_sizes(images):
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "cluster.step_images"], cwd=ROOT, capture_output=True, text=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()[-4:]] == [*NAMES, "together"]
