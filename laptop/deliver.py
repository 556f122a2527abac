"""`python -m laptop.deliver`: delivers a model from a commit to a signed image and a manifest commit (`make run`)."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from hallmark.documents.model import load_model
from laptop import world
from laptop.console import exit_code_of, say
from laptop.delivery import Project, Sides, deliver, set_up
from laptop.repositories import head
from laptop.setup import ROOT
from laptop.summary import summary

SAMPLE = ROOT / "samples/iris"
EXAMPLE = "python -m laptop.deliver --repository=../my-model --validators=../validators --config=../manifests"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m laptop.deliver",
        description="Deliver a model on this machine: a registry, a git server and a key are made where missing.",
        epilog=f"example: {EXAMPLE}",
    )
    parser.add_argument("--repository", type=Path, default=SAMPLE / "repository", help="the maker's folder")
    parser.add_argument(
        "--validators", type=Path, default=SAMPLE / "validators", help="holds policy/, and data/ or data-credential/"
    )
    parser.add_argument("--config", type=Path, default=SAMPLE / "config", help="holds production/kustomization.yaml")
    parser.add_argument("--state", type=Path, default=Path(".hallmark"), help="what is kept between runs")
    parser.add_argument("--quiet", action="store_true", help="no live view of the run")
    options = parser.parse_args()
    code = 0

    def action() -> None:
        nonlocal code
        sides = Sides(repository=options.repository, validators=options.validators, config=options.config)
        name = load_model(options.repository).metadata.name
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
