"""The regression of two weights whose product is the slope."""

import pytest
import torch
from torch.func import vmap

from stagewise.settings import SettingsError
from stagewise.testbeds import scalar_product

MODEL = {"samples": 10, "centres": [[1.0, 0.0], [0.0, 0.0], [0.5, 2.0]]}


def test_the_loss_is_the_squared_product():
    testbed = scalar_product.build(MODEL, 0)
    points = testbed.points()

    def mean(w, constants):
        return testbed.losses(w, constants, testbed.data).mean()

    losses = vmap(mean)(points.parameters, points.constants)
    product = points.parameters["u"] * points.parameters["c"]
    assert torch.allclose(losses - losses[0], product.square() / 2)
    assert points.index[["u", "c"]].to_numpy().tolist() == MODEL["centres"]


@pytest.mark.parametrize("changed", [{"samples": 1}, {"centres": []}, {"centres": [[1.0]]}])
def test_settings_that_cannot_be(changed):
    with pytest.raises(SettingsError, match=next(iter(changed))):
        scalar_product.build({**MODEL, **changed}, 0)
