"""Sparse autoencoders on features that are known."""

import pytest
import torch

from stagewise.models.topk_autoencoder import activations, explained, fit


def planted(count: int, features: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of two of the given directions each, and the directions."""
    stream = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(
        torch.randn(features, width, generator=stream), dim=1
    )
    on = torch.rand(count, features, generator=stream).topk(2, dim=1).indices
    size = 1 + torch.rand(count, 2, generator=stream)
    return (directions[on] * size[..., None]).sum(1), directions


def trained(inputs: torch.Tensor, seed: int = 1, active: int = 2) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return fit(inputs, features=40, active=active, steps=400, batch=256, rate=1e-2, stream=stream)


def test_planted_directions_are_found() -> None:
    inputs, directions = planted(4000, 20, 24)
    weights = trained(inputs)
    assert explained(weights, inputs, 2) > 0.8
    best = (directions @ weights["decode"]).max(1).values
    assert float(best.median()) > 0.9


def test_no_more_features_than_asked_are_active() -> None:
    inputs, _ = planted(300, 20, 24)
    z = activations(trained(inputs, active=3), inputs, 3)
    assert z.shape == (300, 40)
    assert z.min() >= 0
    assert int((z > 0).sum(1).max()) <= 3


def test_fits_are_those_of_their_seed() -> None:
    inputs, _ = planted(300, 20, 24)
    assert torch.equal(trained(inputs)["encode"], trained(inputs)["encode"])
    assert not torch.equal(trained(inputs)["encode"], trained(inputs, seed=2)["encode"])


def test_scale_and_place_of_the_inputs_do_not_matter() -> None:
    inputs, _ = planted(300, 20, 24)
    one, two = trained(inputs), trained(100 * inputs + 7)
    first, second = activations(one, inputs, 2), activations(two, 100 * inputs + 7, 2)
    torch.testing.assert_close(first, second, atol=1e-2, rtol=1e-2)


def test_more_active_features_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="active"):
        trained(planted(10, 5, 6)[0], active=41)
