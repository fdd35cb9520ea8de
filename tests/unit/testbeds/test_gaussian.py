"""Random Gaussians and the table that describes them."""

import pytest
import torch

from stagewise.testbeds import gaussian


def test_random_gaussians_are_what_their_index_says() -> None:
    testbed = gaussian.build({"count": 3, "dimensions": [2, 5], "decades": 0.5}, 7)
    assert testbed.points is not None
    points = testbed.points()
    for row in range(3):
        spectrum = [float(h) for h in points.index.spectrum[row].split()]
        assert 2 <= len(spectrum) <= 5
        assert max(spectrum) == points.index.curvature[row]
        assert min(spectrum) >= 10**-0.5
        w = torch.ones(5, dtype=torch.float64)
        loss = testbed.losses({"w": w}, {"h": points.constants["h"][row]}, {})
        assert float(loss) == pytest.approx(sum(spectrum) / 2, rel=1e-12)
    other = gaussian.build({"count": 3, "dimensions": [2, 5]}, 8)
    assert other.points is not None
    assert list(other.points().index.spectrum) != list(points.index.spectrum)


def test_flat_directions_are_sampled_and_cost_nothing() -> None:
    """`spectrum` names the curved ones only; the flat ones exist and do not change the loss."""
    testbed = gaussian.build({"count": 2, "dimensions": [3, 3], "flat": 4}, 7)
    assert testbed.points is not None
    points = testbed.points()
    assert points.parameters["w"].shape == (2, 7)
    assert points.masks["w"].all()
    assert [len(spectrum.split()) for spectrum in points.index.spectrum] == [3, 3]
    w = torch.tensor([0, 0, 0, 1, 2, 3, 4], dtype=torch.float64)
    assert float(testbed.losses({"w": w}, {"h": points.constants["h"][0]}, {})) == 0
