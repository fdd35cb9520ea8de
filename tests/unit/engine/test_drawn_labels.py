"""The Gauss-Newton matrix of a language model from tokens that it draws."""

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev

from stagewise.engine.drawn_labels import gauss_newton_roots
from stagewise.models.attention_only import cross_entropies

TOKENS = torch.tensor([[0, 1, 2, 1], [2, 0, 1, 1]])


def scores(w: dict[str, Tensor], seen: Tensor) -> Tensor:
    """Linear in the weights, so that the Gauss-Newton matrix is the Hessian of any labels."""
    return w["table"][seen]


def test_is_the_hessian_of_a_table_of_bigrams() -> None:
    weights = {"table": torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()}
    seen = TOKENS[:, :-1]
    stream = torch.Generator().manual_seed(1)
    roots = gauss_newton_roots(scores, weights, seen, draws=4000, stream=stream)
    assert roots.shape == (8000, 9)

    def loss(table: Tensor) -> Tensor:
        return cross_entropies(scores({"table": table}, seen), TOKENS[:, 1:]).mean()

    wanted = jacrev(jacrev(loss))(weights["table"]).reshape(9, 9)
    found = roots.T @ roots
    assert float((found - wanted).norm() / wanted.norm()) < 0.05
    np.testing.assert_allclose(wanted, wanted.T)
