"""Claim C1 where minima are degenerate: y = u c x, by integration and by sampling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.sampling import ALL
from stagewise.estimators import susceptibilities as estimators
from stagewise.estimators.susceptibilities import Response, responses
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact, not_stationary
from stagewise.settings import build
from stagewise.testbeds import scalar_product
from stagewise.theory import product_susceptibilities as theory
from stagewise.theory.local_influence import posterior_covariance
from stagewise.theory.product_susceptibilities import Field, Posterior

Array = NDArray[np.float64]
OBSERVABLE = "data"
FIELD = 1e-4
"""h of the exact check: central differences are then good to 1e-6."""
COMPONENTS: tuple[Literal["u", "c"], ...] = ("u", "c")
VALLEY, CROSSING = 0, 1
"""Checkpoints: on one of the two lines of minima, and where they cross."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, to build its data again, and repeats of the bootstrap."""

    model: dict[str, Any]
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Susceptibilities of samples to each of the two weights.

    inputs   draws at a point of the valley (1, 0) and at the crossing (0, 0), with moments
    returns  one row per place and component: evidence (Z_C and Z_full), share, rise, rise_expected
             and, of the valley's c, rows of kind `sample` (sampled, expected; two_chain_sampled,
             two_chain_expected). Statistics, `singular_` and then
               zero               greatest size of a susceptibility at the crossing, over the
                                  greatest in the valley, sampled
               whole_rise_valley, whole_rise_crossing   E_full[u^2 c^2 / 2] over its integral
               gaussian_excess    what the Gaussian formula gives for it in the valley, over the
                                  integral, less 1
               restricted_slope, two_chain_slope   of sampled on expected, c in the valley
               population_error   relative distance of a central difference of the population
                                  observable from Z_C / Z_full times the two-chain form
               share              Z_C / Z_full in the valley, the factor that estimators leave out
    """
    wanted = build(Settings, settings, "papers.susceptibilities.singular")
    (draws,) = inputs["draws"]
    x, y = _data(wanted.model, int(draws.attrs["seed"]))
    nbeta, gamma = float(draws.nbeta[0]), float(draws.localization)
    epsilon = float(draws.epsilon.values.ravel()[0])
    places = [
        Posterior((float(u), float(c)), nbeta, gamma)
        for u, c in zip(draws["u"].values, draws["c"].values, strict=True)
    ]
    moments = responses(draws, OBSERVABLE)
    total = draws[f"{OBSERVABLE}_loss_at_centre"].mean(f"{OBSERVABLE}_sample")
    valley = places[VALLEY]
    stiff = float(
        posterior_covariance([[1.0]], nbeta=nbeta, localization=gamma, epsilon=epsilon)[0, 0]
    )
    stepped = -(x**2 - 1) / 2 * stiff**2
    further = theory.shifts(valley, theory.whole(valley), x, y) - (x**2 - 1) / 2 * stiff
    two_chain = stepped + stiff / 2 * further

    def restricted(chosen: NDArray[np.int64], place: int, component: str) -> Array:
        of = _of(moments, component, chosen)
        return _column(estimators.covariance(of), place)

    def whole(chosen: NDArray[np.int64], place: int, component: str) -> Array:
        of, full = (_of(moments, name, chosen) for name in (component, ALL))
        added = _column(estimators.rank_one(of, full, total), place)
        return restricted(chosen, place, component) + added

    def rise(chosen: NDArray[np.int64], place: int, component: str) -> float:
        found = (_of(moments, component, chosen).total - total).mean(["n", "chain"])
        return float(found[place])

    def greatest(place: int) -> float:
        return max(
            float(np.abs(of(every, place, name)).max())
            for of in (restricted, whole)
            for name in COMPONENTS
        )

    chains = draws.sizes["chain"]
    every = np.arange(chains)

    def over_chains(of: Any) -> Measured:
        return bootstrap(of, chains, seed=0, repeats=wanted.bootstrap)

    integrals = [theory.whole(place) for place in places]
    regular = (1 / 2) * (1 / (nbeta + gamma))
    statistics = {
        "zero": exact(greatest(CROSSING) / greatest(VALLEY)),
        **{
            f"whole_rise_{name}": over_chains(
                lambda chosen, place=place: rise(chosen, place, ALL) / (integrals[place].square / 2)
            )
            for name, place in (("valley", VALLEY), ("crossing", CROSSING))
        },
        "gaussian_excess": exact(regular / (integrals[VALLEY].square / 2) - 1),
        "restricted_slope": over_chains(lambda c: _slope(restricted(c, VALLEY, "c"), stepped)),
        "two_chain_slope": over_chains(lambda c: _slope(whole(c, VALLEY, "c"), two_chain)),
        "population_error": exact(_population_error(valley, x, y)),
        "share": exact(theory.restricted(valley, "c").evidence / integrals[VALLEY].evidence),
    }
    samples = pd.DataFrame(
        {
            "kind": "sample",
            "sample": np.arange(len(x)),
            "sampled": restricted(every, VALLEY, "c"),
            "expected": stepped,
            "two_chain_sampled": whole(every, VALLEY, "c"),
            "two_chain_expected": two_chain,
        }
    )
    rises = [
        {
            "kind": "rise",
            "u": posterior.centre[0],
            "c": posterior.centre[1],
            "component": name,
            "rise": rise(every, number, name),
            "rise_expected": theory.rise(posterior, of),
            "evidence": of.evidence,
        }
        for number, posterior in enumerate(places)
        for name, of in _posteriors(posterior).items()
    ]
    table = pd.concat([samples, pd.DataFrame(rises)], ignore_index=True)
    moving = draws.rhat.sel(component=ALL).values.ravel()
    doubt = not_stationary(moving)
    return table, {f"singular_{name}": doubtful(n, doubt) for name, n in statistics.items()}


def _posteriors(posterior: Posterior) -> dict[str, theory.Moments]:
    return {
        **{name: theory.restricted(posterior, name) for name in COMPONENTS},
        ALL: theory.whole(posterior),
    }


def _data(model: Mapping[str, Any], seed: int) -> tuple[Array, Array]:
    testbed = scalar_product.build(dict(model), seed)
    assert testbed.points is not None
    points = testbed.points()
    return points.constants["x"][0].numpy(), points.constants["y"][0].numpy()


def _of(moments: Response, component: str, chains: NDArray[np.int64]) -> Response:
    return Response(*(array.sel(component=component).isel(chain=chains) for array in moments))


def _column(found: xr.DataArray, place: int) -> Array:
    kept = found.isel(
        {dim: 0 for dim in ("n", "token") if dim in found.dims}, missing_dims="ignore"
    )
    return np.asarray(kept.isel(checkpoint=place).values, dtype=np.float64)


def _slope(sampled: Array, expected: Array) -> float:
    apart = expected - expected.mean()
    return float(sampled @ apart / (apart @ apart))


def _population_error(posterior: Posterior, x: Array, y: Array) -> float:
    """Of <phi_c>, the weight c sampled, under fields of single samples."""
    expected = theory.population_susceptibility(posterior, "c", x, y)

    def response(place: int) -> float:
        fields = (Field(h, x[place] ** 2 - 1, x[place] * y[place]) for h in (FIELD, -FIELD))
        up, down = (theory.observable(posterior, "c", field) for field in fields)
        return (up - down) / (2 * FIELD * posterior.nbeta)

    found = np.array([response(place) for place in range(len(x))])
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
