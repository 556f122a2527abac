"""verify-image as tkn-solo runs it: what is good is let through, each of the others is refused for its own reason."""

from __future__ import annotations

import pytest

from engines import solo
from laptop.delivery import tools
from laptop.world import World
from services.refused_releases import Releases, Verifying


def test_only_what_was_judged_and_signed_is_let_through(
    services: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("refused")
    releases = Releases(services.releases, services.releases.address, folder)
    scenario = Verifying("refused-releases", folder / "scenario", releases, releases.cases()).write()
    scenario.assert_each_was_told_apart(solo.run(scenario, {}, folder, tools=tools(), seconds=300))
