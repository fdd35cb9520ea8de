"""The statistics of figure 14's modes on draws with known susceptibilities."""

import numpy as np
import pytest
import xarray as xr

from stagewise.data.planted_modes import blocks_of
from stagewise.findings.spectroscopy_modes import measure
from stagewise.settings import SettingsError
from stagewise.testbeds.bilinear_language import Model, truth

random = np.random.default_rng(0)
CONTEXTS, TOKENS = blocks_of(24, 3), blocks_of(12, 3)
NAMES = ["embed0", "embed1", "unembed0", "all"]


@pytest.fixture(autouse=True)
def _without_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which take most of the time."""
    monkeypatch.setattr(
        "stagewise.findings.spectroscopy_modes.umap_places",
        lambda points, neighbours: points[:, :2],
    )


def draws(slopes: np.ndarray, seed: int, noise: float = 1e-6) -> xr.Dataset:
    """Draws of eight coupled chains at n beta 250 and 350, whose mean losses grow with n beta by
    `slopes` (component, context, token)."""
    centre = random.uniform(1, 5, (24, 12))
    nbeta = np.array([250.0, 350.0])
    means = centre + 0.1 + slopes[:, None] * nbeta[:, None, None]
    chains = means[:, :, None] + noise * random.standard_normal((len(slopes), 2, 8, 24, 12))
    dims = ("checkpoint", "component", "n", "chain", "pairs_sample", "pairs_token")
    return xr.Dataset(
        {
            "pairs_loss_mean": (dims, chains[None]),
            "pairs_loss_at_centre": (("checkpoint", *dims[-2:]), centre[None]),
            "nbeta": ("n", nbeta),
            "coupled": True,
            "rhat": (dims[:3], np.ones((1, len(slopes), 2))),
        },
        coords={"component": NAMES},
    ).assign_attrs(seed=seed)


def of_blocks() -> np.ndarray:
    """Slopes that depend on the blocks alone, less their mean under the truth."""
    values = 1e-3 * random.standard_normal((4, 3, 3))[:, CONTEXTS][:, :, TOKENS]
    return values


SETTINGS = {"model": {}, "bases": 10, "bootstrap": 10, "clustering": {"neighbours": 8}}


def test_susceptibilities_of_blocks_are_of_the_leading_modes() -> None:
    table, found = measure({"draws": [draws(of_blocks(), seed) for seed in (3, 4)]}, SETTINGS)
    assert found["modes_error"].value < 1e-9
    assert found["modes_restricted"].value > 0.9
    assert found["modes_restricted_ratio"].value > 8
    assert found["modes_spearman"].value > 0.3
    assert abs(found["modes_spearman_shuffled"].value) < 0.05
    assert found["modes_reliability"].value > 0.9
    assert found["modes_ami"].value > 0.7
    shares = table[(table["kind"] == "share") & (table["basis"] == "modes")]
    assert len(shares) == 2 * 2 * 3 * 12
    assert len(table[table["kind"] == "pair"]) == 288


def test_susceptibilities_of_noise_are_of_no_mode() -> None:
    slopes = 1e-3 * random.standard_normal((4, 24, 12))
    _, found = measure({"draws": [draws(slopes, 3)]}, SETTINGS)
    assert found["modes_error"].value < 1e-9
    assert found["modes_restricted"].value < 0.15
    assert abs(found["modes_spearman"].value) < 0.1


def test_the_restricted_form_is_the_slope_centred_under_the_truth() -> None:
    slopes = of_blocks()
    table, _ = measure({"draws": [draws(slopes, 3)]}, SETTINGS)
    q = truth(Model(), 3)
    exact = slopes - (q * slopes).sum((1, 2), keepdims=True) / 24
    root = np.linalg.svd(q)[2].T
    left = np.linalg.svd(q)[0]
    expected = [(left.T @ one @ root)[:4, :4].__pow__(2).sum() / (one**2).sum() for one in exact]
    rows = table[
        (table["susceptibility"] == "restricted") & (table["basis"] == "modes")
    ].set_index(["component", "modes"])  # fmt: skip
    for component, share in zip(NAMES[:-1], expected, strict=False):
        assert rows.loc[(component, 4), "value"] == pytest.approx(share, abs=1e-3)


def test_draws_of_chains_that_are_not_coupled_are_refused() -> None:
    with pytest.raises(SettingsError, match="coupled"):
        measure({"draws": [draws(of_blocks(), 3).drop_vars("coupled")]}, SETTINGS)
