"""Noise in blocks: the same stream however many steps are drawn at once."""

import pytest
import torch

from stagewise.engine.noise import BLOCK, index_block, normal_block
from stagewise.seeds import generator, stream_seed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", range(1, 2 * BLOCK + 2))
def test_blocks_join_to_one_stream(size: int, dtype: torch.dtype) -> None:
    """Every residue of the dimension modulo sixteen, torch's unit of vectorised normals."""

    def streams() -> list[torch.Generator]:
        return [generator(0, "noise", row) for row in range(3)]

    whole = normal_block(streams(), 3 * BLOCK, size, dtype)
    one, two, alone = streams(), streams(), streams()[1:2]
    by_one = torch.cat([normal_block(one, BLOCK, size, dtype) for _ in range(3)])
    uneven = torch.cat([normal_block(two, k * BLOCK, size, dtype) for k in (2, 1)])
    assert torch.equal(whole, by_one)
    assert torch.equal(whole, uneven)
    assert torch.equal(whole[:, 1:2], normal_block(alone, 3 * BLOCK, size, dtype))


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="17 is not a multiple"):
        normal_block([generator(0)], 17, 2, torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_standard_normal(dtype: torch.dtype) -> None:
    values = normal_block([generator(1, row) for row in range(50)], 640, 3, dtype).double()
    count = values.numel()
    # four standard errors of the mean, variance and fourth moment of count normals
    assert abs(values.mean()) < 4 / count**0.5
    assert abs(values.var() - 1) < 4 * (2 / count) ** 0.5
    assert abs(values.pow(4).mean() - 3) < 4 * (96 / count) ** 0.5
    lagged = (values[1:] * values[:-1]).mean()
    assert abs(lagged) < 4 / count**0.5


def test_batches_are_uniform_and_own() -> None:
    streams = [generator(2, row) for row in range(20)]
    picked = index_block(streams, 2 * BLOCK, 7, 50)  # (step, row, batch)
    assert picked.shape == (2 * BLOCK, 20, 50)
    counts = torch.bincount(picked.flatten(), minlength=7).double()
    expected = picked.numel() / 7
    assert len(counts) == 7
    assert ((counts - expected).abs() < 4.5 * expected**0.5).all()
    assert (picked[:, 0] != picked[:, 1]).any()
    alone = index_block([generator(2, 1)], 2 * BLOCK, 7, 50)
    assert torch.equal(picked[:, 1:2], alone)


def test_streams_are_named() -> None:
    seeds = {stream_seed(s, *key) for s in (0, 1) for key in ((), ("a",), ("a", 1), ("a", 1, 1))}
    assert len(seeds) == 8
    assert stream_seed(0, "a", 11) != stream_seed(0, "a", 1, 1)
    assert all(0 <= seed < 2**63 for seed in seeds)
