"""`python -m cluster.enrol`: have the one-machine cluster deliver a model of your own (`make cluster-enrol`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cluster import catalog, daemons, enrolment, kubectl, triggers
from cluster.enrolment import MODEL_KEY, Enrolled
from cluster.places import FORWARDED, GIT_PORT, PIPELINES_NAMESPACE, STATE
from hallmark.documents.agreement import require_agreement
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError
from laptop import kustomization
from laptop.console import exit_code_of, say
from laptop.delivery import Sides

LONGEST_NAME = 50
"""A run is called by the model, a dash and twelve characters of the commit, and Kubernetes' labels end at 63."""
SAMPLE = "iris"
EXAMPLE = "make cluster-enrol MODEL=../my-model VALIDATORS=../validators CONFIG=../manifests"


def enrol(sides: Sides) -> Enrolled:
    """Publish the three sides, and have pushes start deliveries.

    Raises:
        BadInputError: a side is missing or has a mistake, or the name is too long or the sample's.
    """
    if daemons.running("kube-apiserver") is None:
        raise BadInputError("the cluster of this machine is not up", solution="run `make cluster-up` first")
    _require_folders(sides)
    model = load_model(sides.repository)
    name = model.metadata.name
    if name == SAMPLE:
        raise BadInputError(f"{name} is the sample's name", solution="change metadata.name in hallmark.yaml")
    if len(name) > LONGEST_NAME:
        raise BadInputError(
            f"the name {name} has more than {LONGEST_NAME} characters", solution="change metadata.name in hallmark.yaml"
        )
    # The pipeline would find this too, but only when the policy is on the cluster and the first push was made.
    policy = load_policy(sides.validators / "policy")
    require_agreement(model, policy)
    if policy.signing.model_keys:
        _require_model_key()
    enrolled = enrolment.enrol(name, sides, catalog.base_image(say))
    triggers.add(enrolled)
    return enrolled


def _require_model_key() -> None:
    """A pod waits for a Secret that is not there until its run's time is up, and says so nowhere in the run."""
    if kubectl.get("secret", MODEL_KEY, namespace=PIPELINES_NAMESPACE) is None:
        raise BadInputError(
            f"the policy asks for signed models (signing.modelKeys), and there is no Secret {MODEL_KEY} to sign with",
            solution=f"make a key and store it: `hallmark keys store --signs=model --namespace={PIPELINES_NAMESPACE}`, "
            "as docs/keys.md says",
        )


def _require_folders(sides: Sides) -> None:
    needed = {
        "MODEL": sides.repository / "hallmark.yaml",
        "VALIDATORS": sides.validators / "policy" / "policy.yaml",
        "CONFIG": sides.config / kustomization.PATH,
    }
    for variable, file in needed.items():
        if not file.is_file():
            raise BadInputError(f"{variable}: there is no file {file}", solution=f"give all three folders: {EXAMPLE}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.enrol",
        description="Have the cluster of `make cluster-up` deliver a model of your own.",
        epilog=f"example: {EXAMPLE}",
    )
    parser.add_argument("--repository", type=Path, required=True, help="the maker's folder")
    parser.add_argument("--validators", type=Path, required=True, help="holds policy/, and data/ or data-credential/")
    parser.add_argument("--config", type=Path, required=True, help="holds production/kustomization.yaml")
    options = parser.parse_args()

    def action() -> None:
        enrolled = enrol(Sides(repository=options.repository, validators=options.validators, config=options.config))
        url = f"http://{enrolment.MAKER}@127.0.0.1:{FORWARDED[GIT_PORT]}/{enrolled.source}.git"
        say(f"{enrolled.name} is enrolled; each push to main delivers it:")
        say(f"  git clone {url}    # the password is in {STATE}/people/{enrolment.MAKER}")
        say(f"  tkn pipelinerun logs --last -f --namespace={PIPELINES_NAMESPACE}")

    sys.exit(exit_code_of(action))


if __name__ == "__main__":
    main()
