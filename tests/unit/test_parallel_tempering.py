"""Parallel tempering against posteriors that are known in closed form or by quadrature."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.integrate import quad
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.samplers import mala, parallel_tempering
from stagewise.samplers.options import Ladder, options
from stagewise.samplers.target import Target
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds import superposition


def target(
    loss, rows: int, dimension: int, *, nbeta: float, gamma: float, epsilon: float, **options
):
    """A target with the given loss of one position (row, d) -> (row,), centred at zero."""

    def loss_and_gradient(position: Tensor, batch) -> tuple[Tensor, Tensor]:
        position = position.detach().requires_grad_()
        value = loss(position)
        return value.detach(), torch.autograd.grad(value.sum(), position)[0]

    def column(value):
        return torch.full((rows, 1), float(value), dtype=torch.float64)

    return Target(
        loss_and_gradient,
        torch.zeros(rows, dimension, dtype=torch.float64),
        column(nbeta),
        column(gamma),
        column(epsilon),
        torch.ones(rows, dimension, dtype=torch.float64),
        {"w": (dimension,)},
        {},
        Ladder(**options),
    )


def run(kernel, target: Target, steps: int, start: Tensor, seed: int = 0):
    """Positions (step, row, d) of the coldest chains, losses there, and the last info."""
    stream = generator(seed)
    state = kernel.init(start, target, {})
    positions, exchanges = [], []
    for _ in range(steps):
        noise = torch.randn(
            len(start), kernel.noise_size(target), generator=stream, dtype=torch.float64
        )
        state, info = kernel.step(state, target, {}, noise)
        positions.append(state.position)
        if info.exchange is not None:
            exchanges.append(info.exchange)
    exchange = torch.stack(exchanges).mean(0) if exchanges else None
    return torch.stack(positions), state, exchange


def test_gaussian_posterior_is_exact():
    h, gamma, nbeta = torch.tensor([0.5, 4.0], dtype=torch.float64), 1.0, 50.0
    cold = target(
        lambda w: 0.5 * (h * w.square()).sum(-1),
        64,
        2,
        nbeta=nbeta,
        gamma=gamma,
        epsilon=0.01,
        temperatures=4,
        lowest=0.1,
    )
    positions, _, exchange = run(parallel_tempering, cold, 1300, cold.centre.clone())
    variance = positions[300:].square().mean(dim=(0, 1))
    exact = 1 / (nbeta * h + gamma)
    # 64 ladders, 1000 dependent steps: about 2 % of error
    torch.testing.assert_close(variance, exact, rtol=0.08, atol=0)
    assert 0.4 < float(exchange.mean()) <= 1


@pytest.fixture
def wells():
    """Two wells of unequal depth with a barrier of 14 at the coldest temperature."""

    def loss(w: Tensor) -> Tensor:
        x = w[:, 0]
        return (x.square() - 1).square() + 0.05 * x

    def density(x: float) -> float:
        return float(np.exp(-14 * ((x**2 - 1) ** 2 + 0.05 * x) - x**2 / 2))

    share = quad(density, 0, 4)[0] / quad(density, -4, 4)[0]
    cold = {"nbeta": 14.0, "gamma": 1.0, "epsilon": 0.03}
    return loss, cold, share


def test_two_wells_have_their_exact_shares(wells):
    loss, cold, share = wells
    ladder = target(loss, 48, 1, **cold, temperatures=6, lowest=0.05)
    start = torch.ones(48, 1, dtype=torch.float64)  # all in the shallower well
    positions, _, _ = run(parallel_tempering, ladder, 1500, start)
    found = (positions[500:, :, 0] > 0).double().mean(0)  # (row,)
    error = float(found.std() / 48**0.5)
    assert error < 0.05
    assert float(found.mean()) == pytest.approx(share, abs=4 * error)


def test_without_exchanges_chains_stay_in_their_well(wells):
    loss, cold, share = wells
    alone = target(loss, 48, 1, **cold)
    positions, _, _ = run(mala, alone, 1500, torch.ones(48, 1, dtype=torch.float64))
    assert float((positions[500:, :, 0] > 0).double().mean()) > share + 0.2


def test_rows_do_not_disturb_each_other_and_exchanges_move_whole_states(wells):
    loss, cold, _ = wells
    five = {"temperatures": 5, "lowest": 0.05}
    both = target(loss, 2, 1, **cold, **five)
    single = target(loss, 1, 1, **cold, **five)
    start = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    noise = torch.randn(
        30, 2, parallel_tempering.noise_size(both), generator=generator(1), dtype=torch.float64
    )
    together = parallel_tempering.init(start, both, {})
    apart = parallel_tempering.init(start[1:], single, {})
    for block in noise:
        together, _ = parallel_tempering.step(together, both, {}, block)
        apart, _ = parallel_tempering.step(apart, single, {}, block[1:])
    torch.testing.assert_close(together.positions[1:], apart.positions, rtol=0, atol=0)
    flat = together.positions.reshape(-1, 1)
    value, gradient = both.loss_and_gradient(flat, {})
    torch.testing.assert_close(together.losses.reshape(-1), value)
    torch.testing.assert_close(together.gradients.reshape(-1, 1), gradient)


def test_temperatures_are_geometric_and_options_are_checked(wells):
    loss, cold, _ = wells
    ladder = parallel_tempering.temperatures(
        target(loss, 1, 1, **cold, temperatures=5, lowest=0.0625)
    )
    expected = 14 * torch.tensor([[1, 0.5, 0.25, 0.125, 0.0625]], dtype=torch.float64)
    torch.testing.assert_close(ladder, expected)
    for wrong in ({"temperatures": 1}, {"lowest": 1.5}, {"coldest": 1}):
        with pytest.raises(SettingsError, match=f"options.{next(iter(wrong))}: "):
            options("parallel_tempering", wrong)
    with pytest.raises(SettingsError, match="options: the sampler mala has no options"):
        options("mala", {"temperatures": 3})


def test_an_interrupted_sampling_goes_on_as_if_undisturbed(tmp_path, monkeypatch):
    testbed = superposition.build({"points": ["origin"]}, 0)
    sampling = Sampling(
        kernel="parallel_tempering", steps=256, burn_in=64, chains=2, localization=1.0, n=[50.0],
        beta=1.0, epsilon=0.35, epsilon_unit="nbeta", start="tether",
        options={"temperatures": 4, "lowest": 0.1},
    )  # fmt: skip
    monkeypatch.setattr(SideFile, "due", lambda self: True)

    def found(report, side_file=None):
        return sample(
            testbed, testbed.points(), parallel_tempering, sampling, seed=0, report=report,
            side_file=side_file,
        )  # fmt: skip

    def killed(done, note):
        if done >= 192:
            raise KeyboardInterrupt

    undisturbed = found(silent)
    with pytest.raises(KeyboardInterrupt):
        found(killed, SideFile(tmp_path / "side", "work"))
    assert (tmp_path / "side").is_file()
    continued = found(silent, SideFile(tmp_path / "side", "work"))
    xr.testing.assert_identical(continued, undisturbed)
    assert 0 < float(undisturbed.exchange.mean()) <= 1
