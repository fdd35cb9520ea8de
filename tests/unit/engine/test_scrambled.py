"""Controls that are as large as what was learned."""

from typing import Literal

import pandas as pd
import pytest
import torch

from stagewise.engine.scrambled import scrambled
from stagewise.testbeds.testbed import Points


def points() -> Points:
    stream = torch.Generator().manual_seed(0)
    weights = {
        "A": torch.randn(2, 5, 4, generator=stream),
        "b": torch.randn(2, 5, generator=stream),
    }
    return Points(weights, pd.DataFrame({"step": [0, 1]}))


@pytest.mark.parametrize("kind", ["permuted", "gaussian"])
def test_matrices_keep_their_norm_and_nothing_else(kind: Literal["permuted", "gaussian"]) -> None:
    before, after = points(), scrambled(points(), kind, seed=3)
    assert torch.equal(after.parameters["b"], before.parameters["b"])
    a, b = before.parameters["A"], after.parameters["A"]
    torch.testing.assert_close(b.norm(dim=(1, 2)), a.norm(dim=(1, 2)))
    cosine = (a * b).sum((1, 2)) / a.square().sum((1, 2))
    assert cosine.abs().max() < 0.6
    same = torch.equal(a.flatten(1).sort(1).values, b.flatten(1).sort(1).values)
    assert same == (kind == "permuted")
    again = scrambled(points(), kind, seed=3).parameters["A"]
    assert torch.equal(again, b)
    assert not torch.equal(scrambled(points(), kind, seed=4).parameters["A"], b)


def test_own_weights_stay() -> None:
    assert torch.equal(scrambled(points(), "own", seed=3).parameters["A"], points().parameters["A"])
