"""Influence of all recorded samples on each other, from a draws file, as one dataset."""

import numpy as np
import xarray as xr

from stagewise.estimators.influence import correlation, covariance


def recorded(draws: xr.Dataset) -> list[str]:
    """The observables whose losses were kept draw by draw."""
    return [
        str(name).removesuffix("_loss")
        for name in draws.data_vars
        if str(name).endswith("_loss") and f"{name!s}_at_centre" in draws
    ]


def influences(draws: xr.Dataset, *, blocks: int = 1) -> xr.Dataset:
    """Covariances and correlations of all losses recorded in the draws, centred within chains.

    Dimensions: those of the posterior (checkpoint, [component,] n, [step_size]), sample and other.
    A sample has the coordinates observable, sequence (its number in that) and token (its place;
    -1 where the loss is of the whole sample).

    covariance, covariance_error    Cov(l_i, l_j), nats^2; -covariance is the Bayesian influence
                                    function (Kreer et al. 2025, 2509.26544)
    correlation, correlation_error  the normalised loss kernel (Adam et al. 2025, 2509.26537)
    nbeta, localization, stationary of the draws

    Errors are over chains, each cut into `blocks`. Raises ValueError where no losses were
    recorded draw by draw, observables at different draws, or mirror images.
    """
    names = recorded(draws)
    if not names:
        raise ValueError(
            "these draws have no losses of samples: give the sampling "
            "`observables: {<name>: {keep: trace}}`"
        )
    steps = [draws[f"{name}_draw"].values for name in names]
    if not all(np.array_equal(steps[0], other) for other in steps):
        raise ValueError(f"{', '.join(names)} were recorded at different draws: give one `every`")
    if "image" in draws.dims:
        raise ValueError("draws with mirror images have no plain covariances: leave out `mirror`")
    parts, labels = [], []
    for name in names:
        losses = draws[f"{name}_loss"]
        lead = losses.dims[: losses.dims.index("chain")]
        entries = losses.dims[losses.dims.index(f"{name}_draw") + 1 :]
        parts.append(losses.values.reshape(*losses.shape[: -len(entries)], -1))
        places = np.indices([losses.sizes[dim] for dim in entries]).reshape(len(entries), -1)
        tokens = places[1] if len(entries) == 2 else np.full(places.shape[1], -1)
        labels += [(name, int(i), int(t)) for i, t in zip(places[0], tokens, strict=True)]
    whole = np.concatenate(parts, axis=-1)
    posteriors = whole.reshape(-1, *whole.shape[len(lead) :])
    found = {
        "covariance": [covariance(losses, blocks=blocks) for losses in posteriors],
        "correlation": [correlation(losses, blocks=blocks) for losses in posteriors],
    }
    shape = whole.shape[: len(lead)]
    variables = {}
    for name, estimates in found.items():
        for suffix, place in (("", 0), ("_error", 1)):
            stacked = np.stack([estimate[place] for estimate in estimates])
            variables[name + suffix] = (
                (*lead, "sample", "other"),
                stacked.reshape(*shape, *stacked.shape[1:]),
            )
    coordinates = {
        coordinate: (dim, [label[place] for label in labels])
        for dim, suffix in (("sample", ""), ("other", "_other"))
        for place, coordinate in enumerate(
            [f"observable{suffix}", f"sequence{suffix}", f"token{suffix}"]
        )
    }
    kept = draws[["nbeta", "localization", "stationary"]]
    return xr.Dataset(variables, coords=coordinates).merge(kept)
