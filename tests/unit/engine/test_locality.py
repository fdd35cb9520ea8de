"""The locality gates on bowls, where their values are known."""

from typing import Any

import pandas as pd
import pytest
import torch

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import mala
from stagewise.testbeds.testbed import Points, Testbed

CURVATURES = torch.tensor([1.0, 2.0, 5.0, 0.0], dtype=torch.float64)


@pytest.mark.parametrize(("localization", "slack"), [(1e5, 0.03), (200.0, 0.03), (0.5, 0.05)])
def test_gates_of_a_bowl(localization: float, slack: float) -> None:
    """With precisions n beta h + gamma: rise = sum h / 2(n beta h + gamma), and so on. A stiff
    tether gives a Hessian trace (ratio 1, share 1), a weak one neither."""

    def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
        return (CURVATURES * w["w"].square()).sum()[None] / 2

    points = Points({"w": torch.zeros(1, 4).double()}, pd.DataFrame({"step": [0]}))
    sampling = Sampling(
        kernel="mala",
        n=[1000.0],
        localization=localization,
        epsilon=1.0,
        epsilon_unit="curvature",
        steps=6000,
        burn_in=1000,
        chains=40,
        start="tether",
    )
    testbed = Testbed("bowl", losses, points=lambda: points)
    draws = sample(testbed, points, mala, sampling, seed=0, report=silent).squeeze()
    nbeta = float(draws.nbeta)
    precisions = nbeta * CURVATURES + localization
    rise = float((CURVATURES / precisions).sum() / 2)
    # from 32 draws: h_i times chi-squared over 2 gamma, a relative error of 0.24
    assert float(draws.tether_rise) == pytest.approx(8 / (2 * localization), rel=0.6)
    assert float(draws.loss_rise) == pytest.approx(rise, rel=slack)
    share = float((localization / precisions).sum()) / 4
    if localization > 1:  # the flat direction takes too long to be explored under a weak tether
        assert float(draws.tether_share) == pytest.approx(share, rel=slack)
    assert float(draws.tether_ratio) == pytest.approx(rise / float(draws.tether_rise), rel=slack)
    assert (float(draws.tether_ratio) > 0.6) == (localization == 1e5)
