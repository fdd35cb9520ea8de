"""The kernel moves chains as torch's operations do, bit for bit, or it is not used."""

import logging

import pytest
import torch

from stagewise.engine import langevin
from stagewise.engine.cost import cost
from stagewise.engine.machine_code import compiler
from stagewise.samplers import sgld, target

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The kernel is used from the first number, and found out about anew."""
    monkeypatch.setattr(langevin, "ENOUGH", 0)
    langevin.usable.cache_clear()
    yield
    langevin.usable.cache_clear()


def example(rows: int, wide: int, kind: torch.dtype = torch.float32):
    """(position, gradient, noise, target) of sizes far apart, a third of the weights held."""
    stream = torch.Generator().manual_seed(rows * wide)
    position, gradient, noise, centre, chosen = torch.randn(
        5, rows, wide, generator=stream, dtype=kind
    ).unbind()
    scales = 10 ** (6 * torch.rand(3, rows, 1, generator=stream, dtype=kind) - 3)
    of = target.Target(
        loss_and_gradient=lambda w, batch: (w.sum(1), gradient),
        centre=centre,
        nbeta=scales[0],
        localization=scales[1],
        epsilon=scales[2],
        mask=(chosen > -0.4).to(kind),
        shapes={"w": (wide,)},
        constants={},
        langevin=langevin.moved,
    )
    return position, gradient, noise, of


def by_kernel(monkeypatch) -> list[int]:
    """Grows with every call of the kernel."""
    seen: list[int] = []
    kernel = langevin._by_kernel
    monkeypatch.setattr(langevin, "_by_kernel", lambda *a: seen.append(1) or kernel(*a))
    return seen


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (1, 42_752), (64, 368), (700, 368)])
@pytest.mark.parametrize("threads", [1, 2])
def test_bits_are_those_of_torch(monkeypatch, shape, threads) -> None:
    if not langevin.usable():
        pytest.skip("torch rounds otherwise on this processor")
    seen, before = by_kernel(monkeypatch), torch.get_num_threads()
    given = example(*shape)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(langevin.moved(*given), target.langevin(*given))
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_what_is_held_stays_and_what_is_lost_stays_lost() -> None:
    position, gradient, noise, of = example(4, 33)
    gradient[2, 5] = torch.nan
    found = langevin.moved(position, gradient, noise, of)
    held = (of.mask == 0) & ~gradient.isnan()
    assert held.any()
    assert torch.equal(found[held], position[held])
    assert found.isnan().sum() == 1
    assert found[2, 5].isnan()


def test_a_step_of_the_sampler_goes_through_it(monkeypatch) -> None:
    seen = by_kernel(monkeypatch)
    position, gradient, noise, of = example(5, 40)
    state, _ = sgld.step(sgld.init(position, of, {}), of, {}, noise)
    assert len(seen) == 2  # one of them to see whether it is usable
    assert torch.equal(state.position, target.langevin(position, gradient, noise, of))


def test_numbers_it_is_not_for_are_torchs(monkeypatch) -> None:
    assert langevin.usable()
    seen = by_kernel(monkeypatch)
    langevin.moved(*example(4, 33, torch.float64))
    position, gradient, noise, of = example(4, 34)
    langevin.moved(position, gradient, noise.T.contiguous().T, of)
    assert not seen


def test_costs_are_counted_of_torchs_operations() -> None:
    """Else what is compiled would hang on whether the kernel was loaded."""
    position, gradient, noise, of = example(4, 33)
    plain = cost(lambda: target.langevin(position, gradient, noise, of))
    assert cost(lambda: langevin.moved(position, gradient, noise, of)) == plain
    assert plain.operations > 5


def test_without_a_compiler_torch_moves_the_chains(monkeypatch, caplog) -> None:
    def fails(*_):
        raise OSError("no space")

    monkeypatch.setattr(langevin, "function", fails)
    given = example(3, 20)
    with caplog.at_level(logging.WARNING, "stagewise"):
        found = [langevin.moved(*given) for _ in range(2)]
    assert torch.equal(found[0], target.langevin(*given))
    assert [record.message for record in caplog.records] == [
        "cannot compile (OSError: no space): torch moves the chains"
    ]


def test_other_numbers_than_torchs_are_not_used(monkeypatch, caplog) -> None:
    monkeypatch.setattr(langevin, "KERNEL", langevin.KERNEL.replace("halves[row]", "spreads[row]"))
    given = example(3, 20)
    with caplog.at_level(logging.INFO, "stagewise"):
        assert torch.equal(langevin.moved(*given), target.langevin(*given))
    assert "not those of our kernel" in caplog.text
