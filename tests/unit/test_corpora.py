"""Files of corpora: what goes in comes out; what is damaged is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stagewise import corpora, token_streams
from stagewise.artifacts import ArtifactError
from stagewise.data.corpus import Document
from stagewise.data.tokens import Tokens

DOCUMENTS = [
    Document("code", "a/x.py", "x = 'ü'\n", False),
    Document("prose", "a/README", "", True),
    Document("code", "b/y.py", "y = 12\n", True),
]


def tokens() -> Tokens:
    return Tokens(
        300,
        train={
            "code": np.array([0, 299], dtype=np.uint16),
            "pile-cc.x": np.arange(3, dtype=np.uint16),
        },
        test={"code": np.array([0], dtype=np.uint16)},
    )


def test_documents_come_back(tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    corpora.save_documents(path, DOCUMENTS)
    assert corpora.load_documents(path) == DOCUMENTS
    first = path.read_bytes()
    corpora.save_documents(path, DOCUMENTS)
    assert path.read_bytes() == first
    assert corpora.counts(DOCUMENTS) == {
        "code": {
            "train": {"documents": 1, "characters": 8},
            "test": {"documents": 1, "characters": 7},
        },
        "prose": {
            "train": {"documents": 0, "characters": 0},
            "test": {"documents": 1, "characters": 0},
        },
    }


def test_tokens_come_back(tmp_path: Path) -> None:
    path = tmp_path / "tokens.safetensors"
    token_streams.save(path, tokens(), {})
    found = token_streams.load(path)
    assert found.vocabulary == 300
    for part in ("train", "test"):
        streams, expected = getattr(found, part), getattr(tokens(), part)
        assert list(streams) == list(expected)
        for name in streams:
            assert np.array_equal(streams[name], expected[name])
            assert streams[name].dtype == np.uint16


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other(path: Path) -> None:
    save_file({"a": np.zeros(2)}, path)


@pytest.mark.parametrize("damage", [half, other, Path.unlink])
def test_damaged_files_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    documents, streams = tmp_path / "documents.parquet", tmp_path / "tokens.safetensors"
    corpora.save_documents(documents, DOCUMENTS)
    token_streams.save(streams, tokens(), {})
    damage(documents)
    damage(streams)
    with pytest.raises(ArtifactError, match=r"documents\.parquet is not a whole .* Delete"):
        corpora.load_documents(documents)
    with pytest.raises(ArtifactError, match=r"tokens\.safetensors (is not|holds no) .* Delete"):
        token_streams.load(streams)


def test_tokens_beyond_the_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "tokens.safetensors"
    streams = tokens()
    token_streams.save(path, Tokens(299, streams.train, streams.test), {})
    with pytest.raises(ArtifactError, match=r"train\.code has the token 299, .* vocabulary of 299"):
        token_streams.load(path)
