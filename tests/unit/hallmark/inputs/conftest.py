"""The fixtures of the inputs' tests: a folder with data, and real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.http import WebServer, web_server
from services.postgres import Postgres, postgres
from services.s3 import S3Server, s3_server

from .desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("base", "scratch"):
        (tmp_path / name).mkdir()
    return Desk(tmp_path / "base", tmp_path / "scratch")


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture(scope="session")
def bucket() -> Iterator[S3Server]:
    with s3_server() as found:
        yield found


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as found:
        yield found
