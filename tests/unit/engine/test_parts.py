"""Which rows a compiled step takes at once, and in how many shares it makes their batches."""

import torch

from stagewise.engine.cost import CACHE
from stagewise.engine.parts import parts, shares


def test_parts_cover_all_rows_in_one_length() -> None:
    assert parts(24, 1) == [slice(0, 24)]
    assert parts(24, CACHE // 8) == [slice(k, k + 8) for k in (0, 8, 16)]
    assert [part.start for part in parts(37, CACHE // 9)] == [0, 8, 16, 24, 29]
    assert {part.stop - part.start for part in parts(37, CACHE // 9)} == {8}
    assert parts(24, CACHE // 3) == parts(24, 2 * CACHE) == [slice(0, 24)]


def test_shares_are_for_threads_without_a_row() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert [shares(rows, 16) for rows in (1, 2, 3)] == [2, 1, 1]
        assert shares(1, 15) == shares(1, None) == 1
    finally:
        torch.set_num_threads(before)
