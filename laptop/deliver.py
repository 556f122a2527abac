"""`python -m laptop.deliver`: delivers a model from a commit to a signed image and a manifest commit (`make run`)."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from hallmark.documents.agreement import require_agreement
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError
from laptop import world
from laptop.console import exit_code_of, say
from laptop.delivery import Project, Sides, deliver, set_up
from laptop.repositories import head
from laptop.setup import ROOT
from laptop.summary import summary

SAMPLES = ROOT / "samples"
SAMPLE = SAMPLES / "iris"
EXAMPLE = "python -m laptop.deliver --repository=../my-model --validators=../validators --config=../manifests"


def chosen(repository: Path | None, validators: Path | None, config: Path | None) -> Sides:
    """The three folders: those that are given, and for one of the samples the others of the same sample.

    Raises:
        BadInputError: a model of somebody's own without its validators' and its operators' folders, which nobody else
            can stand in for; or a model that is not the policy's.
    """
    repository = repository or SAMPLE / "repository"
    sample = repository.resolve().parent
    if sample.parent != SAMPLES or repository.resolve().name != "repository":
        missing = [name for name, given in (("VALIDATORS", validators), ("CONFIG", config)) if given is None]
        if missing:
            raise BadInputError(
                f"{repository} is given without {' and '.join(missing)}: the samples' policy and manifests are about "
                "other models",
                solution="give all three folders: make run MODEL=... VALIDATORS=... CONFIG=...",
            )
    sides = Sides(
        repository=repository, validators=validators or sample / "validators", config=config or sample / "config"
    )
    # The pipeline would find this too, once everything is set up and fetched.
    require_agreement(load_model(sides.repository), load_policy(sides.validators / "policy"))
    return sides


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m laptop.deliver",
        description="Deliver a model on this machine: a registry, a git server and a key are made where missing.",
        epilog=f"example: {EXAMPLE}",
    )
    parser.add_argument("--repository", type=Path, help="the maker's folder; default: the sample's")
    parser.add_argument("--validators", type=Path, help="holds policy/, and data/ or data-credential/")
    parser.add_argument("--config", type=Path, help="holds production/kustomization.yaml")
    parser.add_argument("--state", type=Path, default=Path(".hallmark"), help="what is kept between runs")
    parser.add_argument("--quiet", action="store_true", help="no live view of the run")
    options = parser.parse_args()
    code = 0

    def action() -> None:
        nonlocal code
        sides = chosen(options.repository, options.validators, options.config)
        name = load_model(sides.repository).metadata.name
        with world.running(options.state.resolve(), say) as services:
            project = set_up(services, sides, name)
            delivery = deliver(project, _next_name(project), quiet=options.quiet)
        say(summary(project, delivery))
        code = delivery.exit_code

    return exit_code_of(action) or code


def _next_name(project: Project) -> str:
    """A name for the run: the model, the commit, and a number where that commit ran before."""
    stem = f"{project.name}-{(head(project.source) or '')[:8]}"
    runs = project.folder / "runs"
    return next(
        name
        for name in itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        if not (runs / name).exists()
    )


if __name__ == "__main__":
    sys.exit(main())
