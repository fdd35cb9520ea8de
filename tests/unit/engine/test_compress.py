"""Compressed checkpoints of testbeds against losses worked out by hand, one model at a time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stagewise.compression.quantization import Quantization
from stagewise.engine.compress import Compressed, amounts_of, compress
from stagewise.engine.compressions import Compressions, Way
from stagewise.settings import SettingsError, build
from stagewise.testbeds.testbed import Points, Testbed

DATA = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(8, 3)


def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
    x = batch.get("x", DATA)
    found = (x @ w["W"] + w["b"] - constants["shift"]).square().sum(-1)
    return found if "x" in batch else found.mean()[None]


def bed_of(*, population: bool = False) -> Testbed:
    return Testbed("some", losses, data={} if population else {"x": DATA})


def points(rows: int = 3) -> Points:
    stream = torch.Generator().manual_seed(0)
    parameters = {
        "W": torch.randn(rows, 3, 4, generator=stream, dtype=torch.float64),
        "b": torch.randn(rows, 4, generator=stream, dtype=torch.float64),
    }
    shift = parameters["b"] + 0.1
    index = pd.DataFrame({"step": np.arange(rows) * 10, "loss": 7.0})
    return Points(parameters, index, {"shift": shift})


def settings(**changed: Any) -> Compressions:
    values = {
        "schemes": {
            "levels": {"scheme": "quantization", "most": 101, "count": 10, "draws": 4},
            "ranks": {"scheme": "factorization", "most": 1.0, "least": 0.3, "count": 3},
            "noisy": {"scheme": "noise", "most": 100.0, "least": 0.1, "count": 9, "draws": 3},
            "kept": {"scheme": "pruning", "most": 1.0, "least": 0.1, "count": 5},
        },
        "tolerances": [0.01, 0.1],
    }
    return build(Compressions, values | changed, "compression.some")


def run(bed: Testbed, at: Points, chosen: Compressions, memory: int = 10**8) -> Compressed:
    return compress(bed, at, chosen, seed=3, report=lambda done, note: None, memory=memory)


def test_rises_are_those_of_every_model_alone() -> None:
    rises = run(bed_of(), points(), settings()).rises
    chosen = rises[(rises.checkpoint == 1) & (rises.scheme == "levels")]
    at = points()
    weights = {name: tensor[1] for name, tensor in at.parameters.items()}
    constants = {"shift": at.constants["shift"][1]}
    before = losses(weights, constants, {"x": DATA}).mean()
    compression = Quantization().prepared(weights, draws=4, seed=3)
    for row in chosen.itertuples():
        each = []
        for draw in range(4):
            one = {k: v[0] for k, v in compression.models([row.amount], [draw]).items()}
            each.append(float(losses(one, constants, {"x": DATA}).mean() - before))
        assert row.loss_rise == pytest.approx(np.mean(each))
        assert row.standard_error == pytest.approx(np.std(each, ddof=1) / 2)
        assert row.loss == pytest.approx(float(before))
    assert set(rises.step) == {0, 10, 20}


def test_results_do_not_depend_on_memory_nor_on_what_stands_beside() -> None:
    whole = run(bed_of(), points(), settings())
    little = run(bed_of(), points(), settings(), memory=1)
    for one, other in zip(whole, little, strict=True):
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)
    alone = run(bed_of(), points(), settings(checkpoints={"step": [20]})).critical
    kept = whole.critical[whole.critical.checkpoint == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, kept)


def test_population_losses_are_those_of_all_data() -> None:
    data, population = (
        run(bed_of(population=population), points(), settings()) for population in (False, True)
    )
    for one, other in zip(data, population, strict=True):
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)


def test_tolerances_in_losses_of_the_first_checkpoint() -> None:
    first = {k: v[0] for k, v in points().parameters.items()}
    unit = float(losses(first, {"shift": first["b"] + 0.1}, {"x": DATA}).mean())
    chosen = settings(tolerance_unit="first", checkpoints={"step": [10, 20]})
    critical = run(bed_of(), points(), chosen).critical
    assert set(critical.relative_tolerance) == {0.01, 0.1}
    np.testing.assert_allclose(critical.tolerance, unit * critical.relative_tolerance)


def test_the_full_rank_and_all_weights_raise_nothing() -> None:
    rises, critical, _ = run(bed_of(), points(), settings())
    whole = rises[rises.scheme.isin(["ranks", "kept"]) & (rises.amount == 1)]
    assert len(whole) == 6
    np.testing.assert_allclose(whole.loss_rise, 0, atol=1e-12)
    pairs = [part.dropna() for _, part in critical.groupby(["checkpoint", "scheme"])[["amount"]]]
    both = [pair.amount.to_numpy() for pair in pairs if len(pair) == 2]
    assert len(both) > 2
    assert all(strict > loose for strict, loose in both)


def test_coordinates_outside_a_mask_stay() -> None:
    at = points(1)
    mask = torch.ones(1, 3, 4, dtype=torch.bool)
    mask[:, 1:] = False
    at.parameters["W"][~mask] = 0.0
    first = Testbed("first", losses, data={"x": DATA * torch.tensor([1.0, 0.0, 0.0])})
    masked = Points(at.parameters, at.index, at.constants, {"W": mask})
    free = Points(at.parameters, at.index, at.constants)
    found = [run(bed, of, settings())[0] for bed, of in ((bed_of(), masked), (first, free))]
    pd.testing.assert_frame_equal(*found)
    assert not run(bed_of(), free, settings())[0].equals(found[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"most": 100}, "most: must be odd"),
        ({"most": 9, "count": 5}, "at least 2 count"),
        ({"least": 3.0}, "least: a quantizer's"),
        ({"absolute": True}, "absolute: only noise"),
        ({"scheme": "noise"}, "least: a quantizer's is always 3"),
        ({"scheme": "pruning", "most": 1.0, "least": 0.1}, "draws: pruning is the same"),
        ({"scheme": "noise", "least": 0.1, "rows": True}, "rows, quantile: only"),
        ({"draws": 0}, "draws: must be"),
        ({"chekpoints": {}}, "unknown setting"),
    ],
)
def test_settings_that_do_not_fit_are_named(changed: dict[str, Any], message: str) -> None:
    way = {"scheme": "quantization", "most": 101, "draws": 4} | changed
    with pytest.raises(SettingsError, match=message):
        build(Compressions, {"schemes": {"a": way}, "tolerances": [0.1]}, "compression.some")


def test_amounts_fall_and_keep_to_their_ends() -> None:
    shares = amounts_of(Way("pruning", 1.0, least=0.1, count=10))
    np.testing.assert_allclose(shares, np.arange(10, 0, -1) / 10)
    noisy = amounts_of(Way("noise", 100.0, least=1.0, count=3))
    np.testing.assert_allclose(noisy, [100, 10, 1])
    levels = amounts_of(Way("quantization", 201, count=20))
    assert (levels[0], levels[-1], len(levels)) == (201, 3, 20)
    assert all(level % 2 == 1 for level in levels)
