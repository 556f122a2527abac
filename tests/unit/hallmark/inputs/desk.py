"""A folder with data, and shorthands for opening what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hallmark.documents.rules_inputs import InputRules
from hallmark.errors import HallmarkError
from hallmark.findings import Findings
from hallmark.inputs.checks import check_input
from hallmark.inputs.opening import open_input

WHAT = "the data"


def rules(**given: Any) -> InputRules:
    """Rules as a policy writes them."""
    return InputRules.model_validate_json(json.dumps(given))


@dataclass(frozen=True)
class Desk:
    base: Path
    scratch: Path

    def write(self, name: str, content: bytes) -> Path:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def read(self, location: str, credential: Path | None = None, **given: Any) -> pl.DataFrame:
        """The whole input; afterwards nothing of it is left in the scratch folder."""
        with open_input(
            location, base=self.base, what=WHAT, scratch=self.scratch, rules=rules(**given), credential=credential
        ) as opened:
            frame = opened.collect(opened.frame)
            assert opened.rows() == frame.height
        assert not list(self.scratch.iterdir())
        return frame

    def digest(self, location: str, credential: Path | None = None, **given: Any) -> str:
        with open_input(
            location, base=self.base, what=WHAT, scratch=self.scratch, rules=rules(**given), credential=credential
        ) as opened:
            return opened.digest

    def check(self, location: str, opened_with: InputRules | None = None, **given: Any) -> Findings:
        wanted = rules(**given)
        with open_input(
            location, base=self.base, what=WHAT, scratch=self.scratch, rules=opened_with or wanted
        ) as opened:
            return check_input(opened, wanted)

    def refused(self, location: str, credential: Path | None = None, **given: Any) -> HallmarkError:
        """The error that reading it ends with."""
        with pytest.raises(HallmarkError) as caught:
            self.read(location, credential, **given)
        assert not list(self.scratch.iterdir())
        return caught.value
