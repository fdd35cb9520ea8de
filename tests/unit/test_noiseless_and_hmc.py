import pandas as pd
import torch

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import hmc, noiseless
from stagewise.testbeds import testbed as testbeds

SLOPE, CURVATURE = 0.3, 2.0


def _quadratic(d, *, slope=0.0):
    """Testbed and point for L = slope sum(w) + CURVATURE |w|^2 / 2 at the origin."""

    def losses(w, constants, batch):
        return (slope * w["w"].sum() + CURVATURE * w["w"].square().sum() / 2)[None]

    points = testbeds.Points(
        {"w": torch.zeros(1, d, dtype=torch.float64)}, pd.DataFrame({"step": [0]})
    )
    return testbeds.Testbed("quadratic", losses), points


def test_noiseless_follows_the_gradient_flow_of_the_tethered_potential():
    testbed, points = _quadratic(1, slope=SLOPE)
    sampling = Sampling(
        "noiseless", 400, 0, 1, 5.0, epsilon=1e-3, n=[100.0], beta=0.1, record=["parameters"]
    )
    draws = sample(testbed, points, noiseless, sampling, seed=0, report=silent)
    # dw/dt = -(nbeta (slope + h w) + gamma w) / 2, t = epsilon steps, from 0.
    rate = (10 * CURVATURE + 5) / 2
    time = torch.arange(400, dtype=torch.float64) * 1e-3
    wanted = -(10 * SLOPE / 2 / rate) * (1 - (-rate * time).exp())
    found = torch.tensor(draws.parameters.values[0, 0, 0, :, 0]).double()
    # Euler steps of relative size rate epsilon = 0.0125.
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0.02)


def test_noiseless_stays_at_a_minimum():
    testbed, points = _quadratic(3)
    sampling = Sampling("noiseless", 32, 0, 1, 5.0, epsilon=1e-2, n=[100.0], beta=0.1)
    draws = sample(testbed, points, noiseless, sampling, seed=0, report=silent)
    assert (draws.excess_loss == 0).all()


def test_hmc_has_the_exact_law_of_a_quadratic_at_a_coarse_step():
    testbed, points = _quadratic(4)
    sampling = Sampling(
        "hmc",
        800,
        100,
        16,
        5.0,
        epsilon=1.0,
        epsilon_unit="curvature",
        n=[100.0],
        beta=0.1,
        options={"leapfrog": 4},
    )
    draws = sample(testbed, points, hmc, sampling, seed=0, report=silent)
    # nbeta E[K] = (d/2) nbeta h / (nbeta h + gamma); 16 chains of 700 nearly independent draws.
    wanted = 2 * 20 / 25
    found = float(draws.nbeta[0] * draws.excess_loss.mean())
    assert abs(found / wanted - 1) < 0.03
    assert 0.8 < float(draws.acceptance.mean()) < 0.999
