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
