"""Measured statistics: a number, the uncertainty of it, and how much it rests on."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta as beta_distribution
from scipy.stats import rankdata
from scipy.stats import t as student

from stagewise.artifacts import ArtifactError, written_whole
from stagewise.engine.stationarity import STATIONARY_RHAT


@dataclass(frozen=True)
class Measured:
    """One statistic of a paper's claim."""

    value: float
    low: float | None = None
    """Lower end of the 90 % interval; None where the number is exact."""
    high: float | None = None
    n: int = 1
    """How many independent things (seeds, networks, chains, runs) the number rests on."""
    doubt: str = ""
    """Why the number must not decide a claim (chains not stationary, too few runs); empty if
    it may."""
    missing: str = ""
    """What was not installed, so that there is no number; empty if nothing."""

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high: give both or neither")


def exact(value: float, n: int = 1) -> Measured:
    """A number without uncertainty: counted or computed, not estimated."""
    return Measured(float(value), n=n)


def absent(missing: str) -> Measured:
    """No number, for want of an optional extra: its claims are not tested, and say why."""
    return Measured(math.nan, n=0, missing=missing)


def mean_of(values: ArrayLike, *, level: float = 0.9) -> Measured:
    """The mean of independent values with its Student interval; in doubt if there is but one."""
    found = np.asarray(values, dtype=float)
    if len(found) == 1:
        return Measured(float(found[0]), math.nan, math.nan, doubt="one value has no interval")
    half = student.ppf((1 + level) / 2, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5
    centre = float(found.mean())
    return Measured(centre, centre - float(half), centre + float(half), n=len(found))


def share_of(hits: int, n: int, *, level: float = 0.9) -> Measured:
    """A share of n independent trials with its Clopper-Pearson interval."""
    tail = (1 - level) / 2
    low = float(beta_distribution.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta_distribution.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Measured(hits / n, low, high, n=n)


def bootstrap(
    statistic: Callable[[NDArray[Any]], float],
    units: int,
    *,
    seed: int,
    repeats: int = 1000,
    level: float = 0.9,
) -> Measured:
    """A statistic of resampled units with its percentile interval.

    `statistic` takes the chosen unit numbers (with repeats, length `units`); the value is that
    of all units once. Resample what is independent: seeds, networks or runs, never draws.
    """
    random = np.random.default_rng(seed)
    value = statistic(np.arange(units))
    found = [statistic(random.integers(0, units, units)) for _ in range(repeats)]
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Measured(float(value), float(low), float(high), n=units)


def jackknife(
    statistic: Callable[[NDArray[Any]], float], units: int, *, level: float = 0.9
) -> Measured:
    """A smooth statistic with the Student interval of its jackknife error, each unit left out once.

    `statistic` takes unit numbers, as that of `bootstrap`. For statistics that repeated units would
    bias: mutual information, numbers of different things.
    """
    everything = np.arange(units)
    value = statistic(everything)
    without = np.array([statistic(np.delete(everything, unit)) for unit in range(units)])
    error = np.sqrt((units - 1) * without.var())
    half = float(student.ppf((1 + level) / 2, units - 1) * error)
    return Measured(float(value), float(value - half), float(value + half), n=units)


def widened(found: Measured, by: Measured) -> Measured:
    """A number with the error of another source added to its own, as independent errors are."""
    half = math.hypot(_half(found), _half(by))
    return replace(found, low=found.value - half, high=found.value + half)


def _half(found: Measured) -> float:
    return 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2


def save(path: str | Path, found: Mapping[str, Measured], provenance: Mapping[str, Any]) -> None:
    """Writes measured.json: statistic -> value, low, high, n, doubt."""
    document = {
        "statistics": {name: asdict(found[name]) for name in sorted(found)},
        "provenance": dict(provenance),
    }
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=True) + "\n")


def load(path: str | Path) -> dict[str, Measured]:
    """The statistics of a measured.json; ArtifactError if it cannot be read."""
    try:
        document = json.loads(Path(path).read_text())
        return {name: Measured(**fields) for name, fields in document["statistics"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be read ({error}). Delete {path} and run snakemake again."
        ) from error


def rank_correlation(first: Sequence[float] | NDArray[Any], second: Any) -> float:
    """Spearman's correlation; not a number when either side is constant."""
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(one), rankdata(two))[0, 1])


def simulated(
    statistic: Callable[[NDArray[Any]], float],
    estimates: ArrayLike,
    errors: ArrayLike,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.9,
) -> Measured:
    """A statistic of noisy estimates, its interval from redrawing them within their errors.

    For statistics of a fixed set of targets (a maximum, a rank correlation), where resampling
    the targets would answer another question. The value is that of the estimates themselves.
    """
    random = np.random.default_rng(seed)
    centre, scale = np.asarray(estimates, dtype=float), np.asarray(errors, dtype=float)
    found = [
        statistic(centre + scale * random.standard_normal(len(centre))) for _ in range(repeats)
    ]
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Measured(float(statistic(centre)), float(low), float(high), n=len(centre))


def doubtful(found: Measured, doubt: str) -> Measured:
    """The same number, marked as not fit to decide a claim where `doubt` is not empty."""
    return replace(found, doubt=doubt)


def not_stationary(rhat: ArrayLike, *, limit: float = STATIONARY_RHAT, share: float = 0.1) -> str:
    """A doubt where more than `share` of the chains' split R-hat exceed `limit`, else empty."""
    values = np.asarray(rhat, dtype=float)
    late = float((values > limit).mean())
    if late <= share:
        return ""
    return (
        f"chains are not stationary: R-hat above {limit} for {late:.0%} of the targets "
        f"(largest {values.max():.2f}); longer chains would decide"
    )
