"""Counts of runs of tokens, against counting them one by one."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from stagewise.estimators.ngrams import commonest, likely, pair_counts, seen_before

RANDOM = np.random.default_rng(0)
STREAMS = [RANDOM.integers(0, 7, size).astype(np.uint16) for size in (400, 90, 2)]


def counted(n: int) -> Counter[tuple[int, ...]]:
    return Counter(
        tuple(map(int, stream[start : start + n]))
        for stream in STREAMS
        for start in range(len(stream) - n + 1)
    )


def test_pairs() -> None:
    found = pair_counts(STREAMS, 7)
    assert {(a, b): found[a, b] for a, b in np.argwhere(found)} == counted(2)


def test_commonest_runs() -> None:
    found = commonest(STREAMS, 3, most=20, vocabulary=7, without=0)
    wanted = Counter({run: count for run, count in counted(3).items() if 0 not in run})
    assert [wanted[tuple(run)] for run in found.tolist()] == [c for _, c in wanted.most_common(20)]
    assert len({tuple(run) for run in found.tolist()}) == 20
    with pytest.raises(ValueError, match="runs of 8 of 5000 tokens"):
        commonest(STREAMS, 8, most=1, vocabulary=5000, without=0)


def test_likely_continuations() -> None:
    pairs = np.array([[5, 0, 3, 4], [0, 0, 1, 0], [0, 0, 0, 0]])
    expected = [[True, False, False, True], [False, False, True, False], [False] * 4]
    assert likely(pairs, 2).tolist() == expected


def test_pairs_seen_before() -> None:
    tokens = RANDOM.integers(0, 4, (30, 20))
    found = seen_before(tokens)
    for row, sequence in enumerate(tokens.tolist()):
        pairs = list(pairwise(sequence))
        assert found[row].tolist() == [pair in pairs[:k] for k, pair in enumerate(pairs)]
