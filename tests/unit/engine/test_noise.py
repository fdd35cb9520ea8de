"""Random numbers in blocks: every row from its own stream."""

import pytest
import torch

from stagewise.engine import noise
from stagewise.engine.noise import block_length, index_block, normal_block
from stagewise.seeds import generator, stream_seed


@pytest.mark.parametrize("size", [1, 5, 16, 33])
def test_a_row_is_its_own_stream(size: int) -> None:
    def streams() -> list[torch.Generator]:
        return [generator(0, "noise", row) for row in range(3)]

    together, alone = streams(), streams()[1:2]
    for _ in range(3):
        block = normal_block(together, 7, size)
        assert block.shape == (3, 7, size)
        assert torch.equal(block[1:2], normal_block(alone, 7, size))


def test_threads_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        streams = [generator(0, "noise", row) for row in range(9)]
        return normal_block(streams, 7, 33), index_block(streams, 7, 1000, 5)

    alone = drawn()
    monkeypatch.setattr(noise, "MANY", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for first, second in zip(alone, drawn(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("numbers", [0, 1, 300, 10**4, 10**9])
def test_blocks_bound_memory(numbers: int) -> None:
    length = block_length(numbers)
    assert 1 <= length <= 64
    assert length * numbers <= max(16384, numbers)


def test_noise_is_standard_normal() -> None:
    values = normal_block([generator(1, row) for row in range(50)], 640, 3).double()
    count = values.numel()
    # four standard errors of the mean, variance and fourth moment of count normals
    assert abs(values.mean()) < 4 / count**0.5
    assert abs(values.var() - 1) < 4 * (2 / count) ** 0.5
    assert abs(values.pow(4).mean() - 3) < 4 * (96 / count) ** 0.5
    lagged = (values[:, 1:] * values[:, :-1]).mean()
    assert abs(lagged) < 4 / count**0.5


def test_batches_are_uniform_and_own() -> None:
    streams = [generator(2, row) for row in range(20)]
    picked = index_block(streams, 32, 7, 50)
    assert picked.shape == (20, 32, 50)
    counts = torch.bincount(picked.flatten(), minlength=7).double()
    expected = picked.numel() / 7
    assert len(counts) == 7
    assert ((counts - expected).abs() < 4.5 * expected**0.5).all()
    assert (picked[0] != picked[1]).any()
    alone = index_block([generator(2, 1)], 32, 7, 50)
    assert torch.equal(picked[1:2], alone)


def test_streams_are_named() -> None:
    seeds = {stream_seed(s, *key) for s in (0, 1) for key in ((), ("a",), ("a", 1), ("a", 1, 1))}
    assert len(seeds) == 8
    assert stream_seed(0, "a", 11) != stream_seed(0, "a", 1, 1)
    assert all(0 <= seed < 2**63 for seed in seeds)
