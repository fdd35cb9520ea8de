"""Models of the user's own."""

import shutil
from pathlib import Path

import language_models
import pytest


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in three revisions, and a text. Not to be changed."""
    folder = language_models.saved(tmp_path_factory.mktemp("shared") / "model", steps=(0, 1, 2))
    (folder.parent / "text.txt").write_text(language_models.text(1200))
    return folder


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copy(shared.parent / "text.txt", tmp_path / "text.txt")
    return Path(shutil.copytree(shared, tmp_path / "model"))
