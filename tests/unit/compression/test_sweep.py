"""Sweeps against one model after the other."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from stagewise.compression.critical import critical_amounts
from stagewise.compression.factorization import Factorization
from stagewise.compression.noise import Noise
from stagewise.compression.quantization import Quantization, levels
from stagewise.compression.scheme import Scheme
from stagewise.compression.sweep import Sweep, sweep
from stagewise.compression.tables import critical_table, rise_table
from stagewise.models import attention_only

TOLERANCES = (0.02, 0.1, 0.3)


def weights() -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(0)
    found = attention_only.initial(
        vocabulary=11, context=9, width=16, heads=2, layers=2, stream=stream
    )
    found["unembed"] *= 10
    return {name: tensor.double() for name, tensor in found.items()}


TOKENS = torch.randint(0, 11, (6, 9), generator=torch.Generator().manual_seed(1))


def mean_loss(w: Mapping[str, Tensor]) -> Tensor:
    return attention_only.next_token_losses(w, TOKENS).mean()


def distances(models: Mapping[str, Tensor]) -> Tensor:
    """A loss of which every row is computed apart, so that rows are the same in any company."""
    rows = zip(*models.values(), strict=True)
    return torch.stack(
        [
            sum((t - w).square().sum() for t, w in zip(row, weights().values(), strict=True))
            for row in rows
        ]
    )


def swept(scheme: Scheme, amounts: list[float], draws: int, limit: float, at_once: int) -> Sweep:
    made = scheme.prepared(weights(), draws=draws, seed=2)
    return sweep(made, distances, amounts, limit=limit, at_once=at_once)


CASES = [
    (Quantization(), levels(401, 12), 4),
    (Quantization(quantile=0.99, rows=True), levels(401, 12), 1),
    (Noise(), list(np.geomspace(100, 1, 9)), 3),
]


@pytest.mark.parametrize("at_once", [1, 3, 4, 7, 1000])
@pytest.mark.parametrize(("scheme", "amounts", "draws"), CASES)
def test_one_model_after_the_other(
    scheme: Scheme, amounts: list[float], draws: int, at_once: int
) -> None:
    made = scheme.prepared(weights(), draws=draws, seed=2)
    found = swept(scheme, amounts, draws, np.inf, at_once)
    assert found.rises.shape == (len(amounts), draws)
    for row, amount in enumerate(amounts):
        assert found.bits[row] == made.bits(amount)
        for draw in range(draws):
            assert found.rises[row, draw] == float(distances(made.models([amount], [draw]))[0])


def test_on_a_transformer() -> None:
    made = Quantization().prepared(weights(), draws=3, seed=0)
    amounts = levels(41, 6)
    with sdpa_kernel(SDPBackend.MATH):  # the only one that can be mapped over models
        found = sweep(made, vmap(mean_loss), amounts, limit=np.inf, at_once=5)
    assert found.loss == pytest.approx(float(mean_loss(weights())), rel=1e-12)
    for row, amount in enumerate(amounts):
        for draw in range(3):
            model = {name: t[0] for name, t in made.models([amount], [draw]).items()}
            rise = float(mean_loss(model)) - found.loss
            assert found.rises[row, draw] == pytest.approx(rise, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("at_once", [1, 6, 50])
@pytest.mark.parametrize(("scheme", "amounts", "draws"), CASES)
def test_stopping_early_changes_no_critical_amount(
    scheme: Scheme, amounts: list[float], draws: int, at_once: int
) -> None:
    whole = swept(scheme, amounts, draws, np.inf, 1)
    middle = whole.mean[len(amounts) // 2]
    tolerances = [0.3 * middle, middle, 1.1 * middle]
    short = swept(scheme, amounts, draws, max(tolerances), at_once)
    assert len(short.amounts) < len(whole.amounts)
    assert np.array_equal(short.rises, whole.rises[: len(short.rises)])
    expected = critical_amounts(whole.amounts, whole.mean, tolerances)
    assert critical_amounts(short.amounts, short.mean, tolerances) == expected
    assert all(critical.censored == "" for critical in expected)


def test_models_are_not_made_beyond_need() -> None:
    made, asked = Quantization().prepared(weights(), draws=2, seed=0), []

    def counted(models: Mapping[str, Tensor]) -> Tensor:
        asked.append(len(models["embed"]))
        return distances(models)

    amounts = levels(401, 20)
    found = sweep(made, counted, amounts, limit=0.0, at_once=2)
    assert asked == [1, 2]
    assert len(found.amounts) == 1


def test_a_loss_that_is_not_a_number_ends_the_sweep() -> None:
    made = Quantization().prepared(weights(), draws=2, seed=0)
    calls = iter([1.0, 1.1, torch.nan, 5.0])

    def losses(models: Mapping[str, Tensor]) -> Tensor:
        return torch.full((len(models["embed"]),), next(calls))

    found = sweep(made, losses, [9.0, 7.0, 5.0], limit=0.5, at_once=2)
    assert len(found.amounts) == 2
    assert critical_amounts(found.amounts, found.mean, [0.5])[0].amount == pytest.approx(9.0)


def test_tables() -> None:
    found = {
        (40, "quantization"): swept(*CASES[0], np.inf, 100),
        (40, "factorization"): swept(Factorization(), [1.0, 0.5, 0.25], 1, np.inf, 100),
    }
    rises = rise_table(found)
    assert len(rises) == 12 + 3
    of_factors = rises[rises.scheme == "factorization"]
    assert of_factors.standard_error.isna().all()
    first = rises.iloc[5]
    draws = found[40, "quantization"].rises[5]
    assert first.loss_rise == pytest.approx(draws.mean())
    assert first.standard_error == pytest.approx(draws.std(ddof=1) / 2)
    assert (first.checkpoint, first.amount, first.draws) == (40, CASES[0][1][5], 4)
    assert (first.bits, first.loss) == (found[40, "quantization"].bits[5], 0)
    critical = critical_table(found, TOLERANCES)
    assert list(critical.columns) == ["checkpoint", "scheme", "tolerance", "amount", "censored"]
    assert len(critical) == 2 * len(TOLERANCES)


def test_what_cannot_be_is_named() -> None:
    made = Quantization().prepared(weights(), draws=1, seed=0)
    for amounts in ([3.0, 5.0], []):
        with pytest.raises(ValueError, match="amounts"):
            sweep(made, distances, amounts, limit=1.0, at_once=1)
    with pytest.raises(ValueError, match="at_once"):
        sweep(made, distances, [5.0, 3.0], limit=1.0, at_once=0)
    with pytest.raises(ValueError, match="nan for the weights as they are"):
        sweep(made, lambda models: torch.full((1,), torch.nan), [5.0], limit=1.0, at_once=1)
