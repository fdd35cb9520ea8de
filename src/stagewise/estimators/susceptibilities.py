"""Susceptibilities: the linear response of a component's loss to a shift of the data.

Baker et al. 2025 (2504.18274), definitions 2.1 and 2.5. With g = L(w) - L(w*) where only the
component C is sampled, and l_z the loss of token z in its context,

    restricted   -Cov_C[g, l_z - L]
    two-chain    -(E_C[g (l_z - L)] - E_C[g] E_full[l_z - L])
                 = restricted + E_C[g] (E_full[l_z - L] - E_C[l_z - L])

in nats^2, E_full where all weights are sampled. The last term is almost of rank one: E_C[g] times
the fragility E_full[l_z - L] - (l_z - L)(w*), which is no matter of the component. The prefactor
Z_C / Z_full of the definition is unknown, so sizes are not to be compared between components.

Since d E_C[f] / d(n beta) = -Cov_C[g, f], the restricted susceptibility is also a difference of
means at two n beta; coupled chains (`engine.sampling`) make it nearly free of noise.
"""

from typing import NamedTuple

import xarray as xr

from stagewise.settings import SettingsError

CELLS = ("sample", "token")
FULL = "all"
"""The component that is no restriction."""


class Response(NamedTuple):
    """Averages along chains, dimensions (..., n, chain, sample, token) and (..., n, chain)."""

    mean: xr.DataArray
    """E[l_z]"""
    covariance: xr.DataArray
    """Cov[l_z, L], divisor N."""
    total: xr.DataArray
    """E[L], L the mean over all samples and tokens."""


def responses(draws: xr.Dataset, name: str) -> Response:
    """What the chains recorded of an observable of tokens, kept as `response` or as `trace`.

    Raises SettingsError for one kept otherwise.
    """
    cells = [f"{name}_{cell}" for cell in CELLS]
    if f"{name}_loss_response" in draws:
        found = Response(
            draws[f"{name}_loss_mean"], draws[f"{name}_loss_response"], draws[f"{name}_total_mean"]
        )
    elif f"{name}_loss" in draws and "image" not in draws[f"{name}_loss"].dims:
        losses = draws[f"{name}_loss"].astype(float)
        total = losses.mean([cell for cell in cells if cell in losses.dims])
        along = f"{name}_draw"
        found = Response(
            losses.mean(along),
            ((losses - losses.mean(along)) * (total - total.mean(along))).mean(along),
            total.mean(along),
        )
    else:
        raise SettingsError(
            f"observables.{name}: susceptibilities need it recorded with keep: response"
        )
    return Response(*(_of_cells(array, name) for array in found))


def _of_cells(array: xr.DataArray, name: str) -> xr.DataArray:
    """With dimensions sample and token, where it has the observable's; samples that are no
    sequences have one token."""
    names = {f"{name}_{cell}": cell for cell in CELLS}
    renamed = array.rename({old: new for old, new in names.items() if old in array.dims})
    flat = "sample" in renamed.dims and "token" not in renamed.dims
    return renamed.expand_dims("token", -1) if flat else renamed


def covariance(response: Response) -> xr.DataArray:
    """-Cov[g, l_z - L] of all chains together, (..., n, sample, token).

    Its mean over tokens is zero, as that of l_z - L is at every draw.
    """
    apart = (response.mean - response.mean.mean("chain")) * (
        response.total - response.total.mean("chain")
    )
    with_total = (response.covariance + apart).mean("chain")
    return -_centred(with_total)


def coupled_derivative(response: Response, nbeta: xr.DataArray) -> xr.DataArray:
    """d E[l_z - L] / d(n beta) between the least and the greatest n, (..., sample, token): the
    restricted susceptibility -Cov[g, l_z - L], from coupled chains."""
    least, greatest = int(nbeta.values.argmin()), int(nbeta.values.argmax())
    span = float(nbeta[greatest] - nbeta[least])
    if span <= 0:
        raise SettingsError("n: a derivative in n beta needs two sample sizes")
    difference = response.mean.isel(n=greatest) - response.mean.isel(n=least)
    return _centred(difference.mean("chain") / span)


def fragility(full: Response, at_centre: xr.DataArray) -> xr.DataArray:
    """E_full[l_z - L] - (l_z - L)(w*), (..., sample, token): how much worse than the average a
    token gets where all weights are sampled."""
    return _centred(full.mean.mean(["n", "chain"]) - at_centre)


def rank_one(component: Response, full: Response, total_at_centre: xr.DataArray) -> xr.DataArray:
    """E_C[g] (E_full[l_z - L] - E_C[l_z - L]), what the two-chain form adds to the restricted."""
    rise = (component.total - total_at_centre).mean(["n", "chain"])
    apart = full.mean.mean(["n", "chain"]) - component.mean.mean(["n", "chain"])
    return rise * _centred(apart)


def _centred(array: xr.DataArray) -> xr.DataArray:
    return array - array.mean(list(CELLS))


def observable(draws: xr.Dataset) -> str:
    """The observable that was kept as a response; SettingsError unless there is one."""
    end = "_loss_response"
    names = [str(name).removesuffix(end) for name in draws.data_vars if str(name).endswith(end)]
    if len(names) != 1:
        raise SettingsError(
            f"observables: susceptibilities are of one observable with keep: response, whose mean "
            f"is L; the draws have {', '.join(names) or 'none'}"
        )
    return names[0]


def susceptibilities(draws: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Susceptibilities of every token of an observable, from two halves of the chains.

    `name` is by default the observable that was kept as a response. Variables over (checkpoint,
    component, half, sample, token)

    restricted   by the derivative in n beta where the chains are coupled, else the covariance
    covariance   -Cov_C[g, l_z - L], the mean over n
    two_chain    restricted, and the term of rank one; where `all` was sampled too
    fragility    without component; likewise

    and loss_at_centre (checkpoint, sample, token), rise = E_C[g] (checkpoint, component, half),
    full_rise (checkpoint, half), nats. An estimate is the mean over `half`; the halves are chains
    apart, so their correlation is a reliability (`reliability`). Raises SettingsError for too few
    chains to halve, or coupled chains of one sample size.
    """
    name = name or observable(draws)
    coupled = bool(draws.get("coupled", False))
    whole = responses(draws, name)
    if "component" not in whole.mean.dims:
        raise SettingsError("components: susceptibilities are of components; the sampling has none")
    unit = 2 if coupled else 1
    groups = draws.sizes["chain"] // unit
    if groups < 2:
        raise SettingsError(
            f"chains: two halves of them are needed, so at least {2 * unit}, got "
            f"{draws.sizes['chain']}"
        )
    at_centre = _of_cells(draws[f"{name}_loss_at_centre"], name)
    half = unit * (groups // 2)
    parts = [
        _half(
            Response(*(array.isel(chain=chains) for array in whole)),
            draws.nbeta,
            at_centre,
            coupled=coupled,
        )
        for chains in (slice(0, half), slice(half, 2 * half))
    ]
    found = xr.concat(parts, dim=xr.IndexVariable("half", [0, 1]))
    found["loss_at_centre"] = at_centre
    order = ("checkpoint", "component", "half", *CELLS)
    return found.transpose(*(dim for dim in order if dim in found.dims))


def _half(
    whole: Response, nbeta: xr.DataArray, at_centre: xr.DataArray, *, coupled: bool
) -> xr.Dataset:
    components = [name for name in whole.mean.component.values.tolist() if name != FULL]
    own = Response(*(array.sel(component=components) for array in whole))
    total = at_centre.mean(list(CELLS))
    direct = covariance(own).mean("n")
    restricted = coupled_derivative(own, nbeta) if coupled else direct
    found = {
        "restricted": restricted,
        "covariance": direct,
        "rise": (own.total - total).mean(["n", "chain"]),
    }
    if FULL in whole.mean.component.values:
        full = Response(*(array.sel(component=FULL, drop=True) for array in whole))
        found["two_chain"] = restricted + rank_one(own, full, total)
        found["fragility"] = fragility(full, at_centre)
        found["full_rise"] = (full.total - total).mean(["n", "chain"])
    return xr.Dataset(found)
