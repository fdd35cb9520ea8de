"""Draws on disk: what was recorded along the chains, as xarray in a netCDF file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from stagewise.artifacts import ArtifactError, check_room, written_whole
from stagewise.provenance import as_text

FORMAT = "stagewise-draws-1"

OVERHEAD = 1 << 18
"""Bytes of a file beside its arrays, and more: names, coordinates, provenance."""


def save(path: str | Path, draws: xr.Dataset, provenance: Mapping[str, Any]) -> None:
    """Writes the draws, whole or not at all."""
    described = draws.assign_attrs(format=FORMAT, provenance=as_text(provenance))
    with written_whole(path) as temporary:
        check_room(temporary, described.nbytes + OVERHEAD)
        described.to_netcdf(temporary, engine="h5netcdf")


def is_trace(variable: xr.Variable | xr.DataArray) -> bool:
    """Whether it is a trace of an observable, which may be too large for memory."""
    return any(str(dim).endswith("_draw") for dim in variable.dims)


def load(path: str | Path) -> xr.Dataset:
    """The draws of a file; ArtifactError, naming the file, if it is not whole.

    In memory, but for traces of observables, which are read from the file when they are used.
    """
    path = Path(path)
    remedy = f"Delete {path} and run snakemake again to rebuild it."
    if not path.is_file():
        raise ArtifactError(f"no draws file {path}. Run snakemake {path} to make it.")
    try:
        draws = xr.open_dataset(path, engine="h5netcdf")
        for variable in draws.variables.values():
            if not is_trace(variable):
                variable.load()
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is not a whole netCDF file ({error}). {remedy}") from error
    if draws.attrs.get("format") != FORMAT:
        raise ArtifactError(
            f"{path} is not a draws file of this version: format "
            f"{draws.attrs.get('format')!r}, expected {FORMAT!r}. {remedy}"
        )
    return draws
