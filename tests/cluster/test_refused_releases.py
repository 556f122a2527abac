"""verify-image as Tekton runs it: one image is let through, and each of the others is refused for its own reason."""

from __future__ import annotations

from pathlib import Path

from cluster import registry
from cluster.places import RELEASES
from engines import tekton
from laptop.registry import Registry
from services.refused_releases import Releases, Verifying


def test_of_all_images_only_the_one_that_was_delivered_is_let_through(tmp_path: Path) -> None:
    there = registry.credential("releases").parents[1]
    outside = Registry(directory=there, port=int(registry.outside("releases").rpartition(":")[2]))
    releases = Releases(outside, RELEASES, tmp_path)
    scenario = Verifying("refused-releases", tmp_path / "scenario", releases, releases.cases()).write()
    scenario.assert_each_was_told_apart(tekton.run(scenario, {}))
