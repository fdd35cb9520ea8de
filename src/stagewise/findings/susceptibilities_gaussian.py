"""Claims C1 and A1 to A3: linear regression, where every susceptibility is known exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.sampling import ALL
from stagewise.estimators import susceptibilities as estimators
from stagewise.estimators.susceptibilities import Response, responses
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact, not_stationary
from stagewise.findings.susceptibilities_regression import Regression, regression
from stagewise.settings import build

Array = NDArray[np.float64]
OBSERVABLE = "data"
FIELD = 1e-3
"""h at which linear response is checked."""
COARSE = 0.1
"""h of the paper's own mixtures."""
FIELDS = (1e-4, 3e-4, FIELD, 3e-3, 1e-2, 3e-2, COARSE, 0.3)


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, to build its data again, and sizes."""

    model: dict[str, Any]
    probes: int
    """Equal subsets of the samples, each the probe of a field."""
    bootstrap: int


@dataclass(frozen=True)
class Estimator:
    """One way to susceptibilities, of all components, (component, sample)."""

    of_units: Callable[[NDArray[np.int64]], Array]
    """Of some of the independent units: chains, or pairs of coupled ones."""
    units: int
    evaluations: int
    """Evaluations of all losses in a unit."""
    expected: Array
    """Closed form with the sampler's step."""
    ideal: Array
    """Closed form without."""

    @property
    def sampled(self) -> Array:
        """Of all units."""
        return self.of_units(np.arange(self.units))

    @property
    def noise(self) -> float:
        """Variance of a single evaluation's worth of draws over the variance of what is estimated,
        from the spread of the units."""
        alone = np.stack([self.of_units(np.array([unit])) for unit in range(self.units)])
        return float(self.evaluations * alone.var(0, ddof=1).mean() / self.expected.var(1).mean())


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Susceptibilities of samples to blocks of weights, sampled and in closed form.

    inputs   draws of one regression: `plain`, `mirrored` and `coupled` (at two n) with moments of
             the losses, with the same step sizes, and `traced` with the losses themselves
    returns  rows of kind `field` (component, probe, h: expected, central, one_sided) and of kind
             `sample` (estimator, step_size, component, sample: sampled, expected, and ideal without
             the step). Statistics, `gaussian_` and then
               response_error     relative distance, over probes, of the central difference at h =
                                  0.001 from minus the covariance, greatest over components
               response_central, response_one_sided   the same at h = 0.1, least over components
               <estimator>_slope, <estimator>_pearson   of sampled on expected at the larger step,
                                  over samples and components (pearson: least over components); of
                                  restricted, two_chain, mirrored and coupled
               stepless_slope     of restricted on the form that leaves the step out (control)
               coupled_scale      slope of coupled on restricted at the smaller step, over that of
                                  their closed forms (coupled_scale_expected)
               identity           greatest relative difference of two ways to the two-chain form
               column_mean        greatest mean of a column over its standard deviation
               coupled_gain, mirrored_gain   draws that plain chains need for those that these need
                                  at the smaller step, every evaluation counted
    """
    wanted = build(Settings, settings, "papers.susceptibilities.gaussian")
    runs = {name: inputs[name][0] for name in ("plain", "mirrored", "coupled")}
    plain = runs["plain"]
    known = regression(wanted.model, int(plain.attrs["seed"]), float(plain.localization))
    components = [name for name in plain.component.values.tolist() if name != ALL]
    nbeta = float(plain.nbeta[0])
    fields = pd.concat(
        [
            known.responses(name, wanted.probes, field, nbeta)
            for name in components
            for field in FIELDS
        ]
    )
    tables = [fields.assign(kind="field")]
    by_step = {}
    for step in plain.step_size.values.tolist():
        at = {name: draws.sel(step_size=step) for name, draws in runs.items()}
        by_step[step] = _estimators(at, known, components)
        tables += [_table(name, step, components, e) for name, e in by_step[step].items()]
    small, large = (by_step[step] for step in (min(by_step), max(by_step)))
    found = _field_errors(fields)
    for name, estimator in large.items():
        found |= _agreement(name, estimator, wanted.bootstrap)
    found |= {
        "stepless_slope": _over_units(
            large["restricted"], lambda s: slope(s, large["restricted"].ideal), wanted.bootstrap
        ),
        **_scale(small, wanted.bootstrap),
        "identity": exact(identity(inputs["traced"][0])),
        "column_mean": exact(max(column_mean(e.sampled) for e in large.values())),
        **{
            f"{name}_gain": exact(small["restricted"].noise / small[name].noise)
            for name in ("mirrored", "coupled")
        },
    }
    doubt = not_stationary(np.concatenate([draws.rhat.values.ravel() for draws in runs.values()]))
    table = pd.concat(tables, ignore_index=True)
    return table, {f"gaussian_{name}": doubtful(number, doubt) for name, number in found.items()}


def _estimators(
    runs: Mapping[str, xr.Dataset], known: Regression, components: list[str]
) -> dict[str, Estimator]:
    """All ways, of draws with one step size."""
    moments = {name: responses(draws, OBSERVABLE) for name, draws in runs.items()}
    total = float(runs["plain"][f"{OBSERVABLE}_loss_at_centre"].mean())

    def restricted(name: str, chosen: NDArray[np.int64]) -> Array:
        of = _component(moments[name], components, chosen)
        return _matrix(estimators.covariance(of))

    def two_chain(chosen: NDArray[np.int64]) -> Array:
        of = _component(moments["plain"], components, chosen)
        full = _component(moments["plain"], ALL, chosen)
        further = estimators.rank_one(of, full, xr.DataArray(total))
        return _matrix(estimators.covariance(of)) + _matrix(further)

    def coupled(chosen: NDArray[np.int64]) -> Array:
        pairs = np.stack([2 * chosen, 2 * chosen + 1], axis=1).ravel()
        of = _component(moments["coupled"], components, pairs)
        return _matrix(estimators.coupled_derivative(of, runs["coupled"].nbeta))

    def built(name: str, of_units: Callable[[NDArray[np.int64]], Array], way: str) -> Estimator:
        draws = runs[name]
        pair = name == "coupled"
        nbetas = draws.nbeta.values.tolist()
        temperature = (nbetas[0], nbetas[1]) if pair else nbetas[0]
        closed = getattr(known, way)
        epsilon = float(draws.epsilon.values.ravel()[0])
        expected, ideal = (
            np.stack([closed(component, temperature, step) for component in components])
            for step in (epsilon, 0.0)
        )
        images = {"plain": 1, "mirrored": 2, "coupled": 4}[name]
        units = draws.sizes["chain"] // (2 if pair else 1)
        return Estimator(of_units, units, images * draws.sizes["draw"], expected, ideal)

    return {
        "restricted": built("plain", lambda chosen: restricted("plain", chosen), "restricted"),
        "two_chain": built("plain", two_chain, "two_chain"),
        "mirrored": built("mirrored", lambda chosen: restricted("mirrored", chosen), "restricted"),
        "coupled": built("coupled", coupled, "coupled"),
    }


def _component(
    moments: Response, components: list[str] | str, chains: NDArray[np.int64]
) -> Response:
    return Response(*(array.sel(component=components).isel(chain=chains) for array in moments))


def _matrix(found: xr.DataArray) -> Array:
    """(component, sample), of the one checkpoint and the one n."""
    kept = found.isel({dim: 0 for dim in ("checkpoint", "n", "token") if dim in found.dims})
    return np.asarray(kept.transpose("component", "sample").values, dtype=np.float64)


def slope(sampled: Array, expected: Array) -> float:
    """Of the regression of (component, sample) on what is expected, all components together."""
    apart = expected - expected.mean(1, keepdims=True)
    return float((sampled * apart).sum() / np.square(apart).sum())


def _pearson(sampled: Array, expected: Array, repeats: int) -> Measured:
    """Least over components, samples resampled: resampled chains would have more noise."""

    def least(chosen: NDArray[Any]) -> float:
        pairs = zip(sampled[:, chosen], expected[:, chosen], strict=True)
        return min(float(np.corrcoef(one, other)[0, 1]) for one, other in pairs)

    return bootstrap(least, sampled.shape[1], seed=0, repeats=repeats)


def _over_units(estimator: Estimator, of: Callable[[Array], float], repeats: int) -> Measured:
    return bootstrap(
        lambda units: of(estimator.of_units(units)), estimator.units, seed=0, repeats=repeats
    )


def _agreement(name: str, estimator: Estimator, repeats: int) -> dict[str, Measured]:
    expected = estimator.expected
    return {
        f"{name}_slope": _over_units(estimator, lambda s: slope(s, expected), repeats),
        f"{name}_pearson": _pearson(estimator.sampled, expected, repeats),
    }


def _scale(found: Mapping[str, Estimator], repeats: int) -> dict[str, Measured]:
    """Coupled chains against the covariance, whose biases by the step are not the same."""
    direct, coupled = found["restricted"], found["coupled"]
    reference = direct.expected
    expected = slope(coupled.expected, reference)
    over = slope(direct.sampled, reference) * expected
    return {
        "coupled_scale": _over_units(coupled, lambda s: slope(s, reference) / over, repeats),
        "coupled_scale_expected": exact(expected),
    }


def _field_errors(fields: pd.DataFrame) -> dict[str, Measured]:
    """Distances over probes from the linear response, relative to it."""

    def errors(strength: float, way: str) -> Array:
        rows = fields[fields["h"] == strength]
        squares = (
            rows.assign(apart=(rows[way] - rows["expected"]) ** 2, whole=rows["expected"] ** 2)
            .groupby("component")[["apart", "whole"]]
            .sum()
        )
        return np.sqrt((squares["apart"] / squares["whole"]).to_numpy())

    return {
        "response_error": exact(float(errors(FIELD, "central").max())),
        "response_central": exact(float(errors(COARSE, "central").min())),
        "response_one_sided": exact(float(errors(COARSE, "one_sided").min())),
    }


def identity(draws: xr.Dataset) -> float:
    """Two-chain susceptibilities as averages over draws, against restricted ones and the term of
    rank one: greatest difference over the greatest size."""
    losses = draws[f"{OBSERVABLE}_loss"].astype(np.float64)
    along = ["chain", f"{OBSERVABLE}_draw"]
    deviations = losses - losses.mean(f"{OBSERVABLE}_sample")
    at_centre = draws[f"{OBSERVABLE}_loss_at_centre"].astype(np.float64).mean()
    g = losses.mean(f"{OBSERVABLE}_sample") - at_centre
    names = [name for name in draws.component.values.tolist() if name != ALL]
    own, whole = (deviations.sel(component=of) for of in (names, ALL))
    product = (g.sel(component=names) * own).mean(along)
    direct = -(product - g.sel(component=names).mean(along) * whole.mean(along))
    moments = responses(draws, OBSERVABLE)
    of, full = (Response(*(a.sel(component=which) for a in moments)) for which in (names, ALL))
    built = _matrix(estimators.covariance(of) + estimators.rank_one(of, full, at_centre))
    first = direct.rename({f"{OBSERVABLE}_sample": "sample"})
    apart = np.abs(_matrix(first) - built)
    return float(apart.max() / np.abs(built).max())


def column_mean(matrix: Array) -> float:
    """Greatest mean of a row over its standard deviation."""
    return float((np.abs(matrix.mean(1)) / matrix.std(1)).max())


def _table(name: str, step: float, components: list[str], found: Estimator) -> pd.DataFrame:
    sampled = found.sampled
    return pd.DataFrame(
        {
            "kind": "sample",
            "estimator": name,
            "step_size": step,
            "component": np.repeat(components, sampled.shape[1]),
            "sample": np.tile(np.arange(sampled.shape[1]), len(components)),
            "sampled": sampled.ravel(),
            "expected": found.expected.ravel(),
            "ideal": found.ideal.ravel(),
        }
    )
