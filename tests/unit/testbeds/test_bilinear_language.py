"""Bilinear language models at their minimum."""

import numpy as np
import pytest
import torch

from stagewise.data.planted_modes import blocks_of
from stagewise.settings import SettingsError
from stagewise.testbeds import bilinear_language
from stagewise.testbeds.bilinear_language import Model, truth


def at_the_point(settings: dict, seed: int = 0) -> tuple:
    testbed = bilinear_language.build(settings, seed)
    assert testbed.points is not None
    points = testbed.points()
    return (
        testbed,
        {name: tensor[0] for name, tensor in points.parameters.items()},
        {name: tensor[0] for name, tensor in points.constants.items()},
    )


def test_truth_is_a_distribution_of_its_blocks() -> None:
    found = truth(Model(), 1)
    np.testing.assert_allclose(found.sum(1), 1)
    same = blocks_of(24, 3)[:, None] == blocks_of(12, 3)
    assert (found[same].reshape(24, 4).sum(1) > 0.85).all()
    assert (found != truth(Model(), 2)).any()


@pytest.mark.parametrize("seed", [0, 900, 902])
def test_the_point_is_a_minimum(seed: int) -> None:
    testbed, w, constants = at_the_point({}, seed)
    loss = testbed.losses(w, constants, {})
    slopes = torch.func.grad(lambda w: testbed.losses(w, constants, {})[0])(w)
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, -1e-4 * w[name], atol=1e-7, rtol=0)
    entropy = -(constants["truth"] * constants["truth"].log()).sum(1).mean()
    assert 0 < float(loss[0] - entropy) < 0.05
    stream = torch.Generator().manual_seed(0)
    for _ in range(20):
        moved = {
            name: tensor + 0.05 * torch.randn(tensor.shape, generator=stream, dtype=tensor.dtype)
            for name, tensor in w.items()
        }
        assert testbed.losses(moved, constants, {})[0] > loss[0]


def test_no_pair_is_all_but_ruled_out() -> None:
    """Without decay the logits of rare pairs run off (of this seed, to a loss of 200 nats)."""
    testbed, w, constants = at_the_point({}, 902)
    pairs = testbed.observables["pairs"]
    assert pairs.losses(w, constants, pairs.data).max() < 15


def test_nearly_full_rank_reaches_the_entropy() -> None:
    _, w, constants = at_the_point({"contexts": 6, "tokens": 6, "rank": 5, "decay": 0.0})
    predicted = torch.softmax(w["embed"] @ w["unembed"], dim=1)
    torch.testing.assert_close(predicted, constants["truth"], atol=1e-5, rtol=1e-4)


def test_factors_are_balanced() -> None:
    """As decay makes them."""
    _, w, _ = at_the_point({})
    torch.testing.assert_close(
        w["embed"].T @ w["embed"], w["unembed"] @ w["unembed"].T, atol=1e-3, rtol=1e-3
    )


def test_the_loss_is_the_mean_of_the_pairs_under_the_truth() -> None:
    testbed, w, constants = at_the_point({})
    pairs = testbed.observables["pairs"]
    losses = pairs.losses(w, constants, pairs.data)
    assert losses.shape == (24, 12)
    expected = (constants["truth"] * losses).sum() / 24
    torch.testing.assert_close(testbed.losses(w, constants, {})[0], expected)


def test_components_are_a_partition() -> None:
    testbed, w, _ = at_the_point({})
    for name, tensor in w.items():
        masks = [mask[name] for mask in testbed.components.values() if name in mask]
        assert len(masks) == 3
        assert (torch.stack(masks).sum(0) == 1).all()
        assert all(mask.shape == tensor.shape for mask in masks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contexts": 25}, "contexts"),
        ({"noise": 0.0}, "noise"),
        ({"rank": 12}, "rank"),
        ({"blocks": 1}, "contexts"),
        ({"decay": -1.0}, "decay"),
    ],
)
def test_settings_out_of_range_name_themselves(settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        bilinear_language.build(settings, 0)
