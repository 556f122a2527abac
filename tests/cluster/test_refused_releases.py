"""verify-image as Tekton runs it: what is good is let through, each of the others is refused for its own reason."""

from __future__ import annotations

from pathlib import Path

from cluster import registry
from cluster.places import RELEASES
from engines import tekton
from laptop.registry import Registry
from services.refused_releases import Releases, Verifying


def test_only_what_was_judged_and_signed_is_let_through(tmp_path: Path) -> None:
    there = registry.credential("releases").parents[1]
    outside = Registry(directory=there, port=int(registry.outside("releases").rpartition(":")[2]))
    releases = Releases(outside, RELEASES, tmp_path)
    scenario = Verifying("refused-releases", tmp_path / "scenario", releases, releases.cases()).write()
    tekton.have_images("update-manifest")
    scenario.assert_each_was_told_apart(tekton.run(scenario, {}, seconds=420))
