"""The kernel's random numbers are torch's, bit for bit, or it is not used."""

import logging

import pytest
import torch

from stagewise.engine import noise, twister
from stagewise.engine.machine_code import compiler
from stagewise.engine.noise import index_block, normal_block
from stagewise.seeds import generator

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(autouse=True)
def again():
    """What was found out about the kernel is found out anew."""
    twister.usable.cache_clear()
    yield
    twister.usable.cache_clear()


def drawn(rows: int, steps: int, size: int, blocks: int = 3) -> list[torch.Tensor]:
    """Blocks of both kinds and where their streams end, begun in the midst of streams."""
    streams = [generator(5, "stream", row) for row in range(rows)]
    for row, stream in enumerate(streams):
        torch.rand(311 * row, generator=stream)
    found: list[torch.Tensor] = []
    for _ in range(blocks):
        found.append(normal_block(streams, steps, size).clone())
        for samples in (1, 2, 1_000, 65_537, 2**28 - 1):
            found.append(index_block(streams, steps, samples, size).clone())
    return [*found, *(stream.get_state() for stream in streams)]


def both(monkeypatch, *shape: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Drawn by torch, and by the kernel."""
    monkeypatch.setattr(twister, "ENOUGH", 10**15)
    by_torch = drawn(*shape)
    monkeypatch.setattr(twister, "ENOUGH", 0)
    return by_torch, drawn(*shape)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 1, 15), (3, 1, 16), (3, 17, 1), (2, 3, 208), (1, 64, 256), (2, 7, 999)]
)
def test_bits_are_those_of_torch(monkeypatch, shape) -> None:
    if not twister.usable():
        pytest.skip("torch has other numbers on this processor")
    for theirs, own in zip(*both(monkeypatch, *shape), strict=True):
        assert theirs.dtype == own.dtype
        assert torch.equal(theirs, own)


def test_a_million_bits_are_those_of_torch(monkeypatch) -> None:
    if not twister.usable():
        pytest.skip("torch has other numbers on this processor")
    own, theirs = generator(3), generator(3)
    made = torch.empty(1_000, 1, 1_003)
    twister.normals([own], made)
    assert torch.equal(made[:, 0], torch.empty(1_000, 1_003).normal_(generator=theirs))


@pytest.mark.parametrize("shape", [(9, 7, 33), (1, 7, 333)])
def test_threads_change_nothing(monkeypatch, shape) -> None:
    monkeypatch.setattr(twister, "ENOUGH", 0)
    alone = drawn(*shape)
    monkeypatch.setattr(noise, "MANY", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for first, second in zip(alone, drawn(*shape), strict=True):
        assert torch.equal(first, second)


def test_memory_is_taken_again(monkeypatch) -> None:
    monkeypatch.setattr(twister, "ENOUGH", 0)
    streams = [generator(5, row) for row in range(2)]
    first = index_block(streams, 4, 10, 30)
    assert index_block(streams, 4, 10, 30, first).data_ptr() == first.data_ptr()
    assert index_block(streams, 5, 10, 30, first).shape == (2, 5, 30)
    assert normal_block(streams, 4, 30, first).dtype == torch.float32


def test_used_once_it_repays(monkeypatch) -> None:
    monkeypatch.setattr(twister, "_drawn", twister._Drawn())
    monkeypatch.setattr(twister, "ENOUGH", 100)
    monkeypatch.setattr(twister, "usable", lambda: True)
    assert [twister.repays(40) for _ in range(4)] == [False, False, True, True]


def test_other_numbers_are_noticed(monkeypatch, caplog) -> None:
    """As of another version of torch."""
    changed = twister.KERNEL.replace("0x9908b0dfu", "0x9908b0deu")
    assert changed != twister.KERNEL
    theirs = both(monkeypatch, 2, 3, 208)[0]
    twister.usable.cache_clear()
    monkeypatch.setattr(twister, "KERNEL", changed)
    with caplog.at_level(logging.INFO, "stagewise"):
        assert not twister.usable()
        found = drawn(2, 3, 208)
    assert "torch draws them" in caplog.text
    for one, other in zip(theirs, found, strict=True):
        assert torch.equal(one, other)


def test_a_compiler_that_fails_is_said(monkeypatch, caplog) -> None:
    monkeypatch.setattr(twister, "KERNEL", "this is not C++")
    with caplog.at_level(logging.WARNING, "stagewise"):
        assert not twister.usable()
    assert "torch's generator is used" in caplog.text
    streams = [generator(1)]
    monkeypatch.setattr(twister, "ENOUGH", 0)
    assert normal_block(streams, 2, 20).isfinite().all()


def test_wrong_memory_is_refused() -> None:
    streams = [generator(1), generator(2)]
    for out in (
        torch.empty(3, 1, 20),
        torch.empty(3, 2, 20, dtype=torch.float64),
        torch.empty(2, 3, 20).transpose(0, 1),
    ):
        with pytest.raises(ValueError, match="normals"):
            twister.normals(streams, out)
