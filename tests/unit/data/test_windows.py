"""Windows are text as it stands; blocks repeat."""

import numpy as np
import pytest

from stagewise.data.tokens import BEGINNING
from stagewise.data.windows import blocks, windows

STREAMS = {"low": np.arange(1, 101, dtype=np.uint16), "high": np.arange(1001, 1301)}


def test_windows_are_runs_of_one_stream_in_its_share() -> None:
    found = windows(STREAMS, 4000, 10, seed=0)
    assert found.shape == (4000, 11)
    assert (found[:, 0] == BEGINNING).all()
    assert (np.diff(found[:, 1:], axis=1) == 1).all()
    assert set(found[:, 1:].ravel()) == set(range(1, 101)) | set(range(1001, 1301))
    share = (found[:, 1] > 1000).mean()
    assert abs(share - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5
    assert np.array_equal(found, windows(STREAMS, 4000, 10, seed=0))
    assert not np.array_equal(found, windows(STREAMS, 4000, 10, seed=1))


def test_a_window_as_long_as_the_stream_and_longer() -> None:
    assert np.array_equal(windows(STREAMS, 40, 100, seed=0)[:, 1].min(), 1)
    with pytest.raises(ValueError, match="length: 101 tokens, but low has only 100 of them"):
        windows(STREAMS, 1, 101, seed=0)


def test_blocks_repeat_and_are_uniform() -> None:
    found = blocks(3000, 40, vocabulary=9, sizes=(4, 16), seed=0)
    assert (found.tokens[:, 0] == BEGINNING).all()
    for sequence, size in zip(found.tokens[:200], found.sizes[:200], strict=True):
        assert np.array_equal(sequence[1 + size :], sequence[1 : 1 + 40 - size])
    counts = np.bincount(found.sizes, minlength=17)[4:]
    assert len(counts) == 13
    assert abs(counts - 3000 / 13).max() < 4.5 * (3000 / 13) ** 0.5
    first = np.bincount(found.tokens[:, 1], minlength=9)
    assert first[BEGINNING] == 0
    assert abs(first[1:] - 3000 / 8).max() < 4.5 * (3000 / 8) ** 0.5
