"""Copies that several tests share."""

from pathlib import Path

import pytest
from copies import Copy, tiny


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The tiny paper, made from nothing to its figure and claims. Not to be changed."""
    copy = tiny(tmp_path_factory.mktemp("finished") / "copy")
    copy.made()
    return copy


@pytest.fixture
def done(finished: Copy, tmp_path: Path) -> Copy:
    """The finished tiny paper, to be changed."""
    return finished.duplicate(tmp_path / "done")


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The tiny paper before anything is made. Not to be changed."""
    return tiny(tmp_path_factory.mktemp("untouched") / "copy")


@pytest.fixture
def start(untouched: Copy, tmp_path: Path) -> Copy:
    """The tiny paper before anything is made, to be changed."""
    return untouched.duplicate(tmp_path / "start")
