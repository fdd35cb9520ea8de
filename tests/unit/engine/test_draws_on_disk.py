"""Draws files: what goes in comes out, and what is damaged says so."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stagewise.artifacts import ArtifactError
from stagewise.engine import draws


def example() -> xr.Dataset:
    return xr.Dataset(
        {
            "excess_loss": (("checkpoint", "draw"), np.random.default_rng(0).random((3, 4))),
            "dimension": ("checkpoint", np.array([1, 2, 3])),
            "localization": 1.5,
        },
        coords={
            "name": ("checkpoint", np.array(["a", "bb", "λ"], dtype=object)),
            "target": ("checkpoint", [0.5, np.nan, 0.25]),
        },
    )


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    draws.save(path, example(), {"seed": 3, "settings": {"batch": None}})
    found = draws.load(path)
    assert found.attrs["format"] == draws.FORMAT
    assert '"batch": null' in found.attrs["provenance"]
    assert found.name.values.tolist() == ["a", "bb", "λ"]
    xr.testing.assert_equal(found.drop_vars("name"), example().drop_vars("name"))


def test_traces_stay_on_disk_until_they_are_used(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    trace = np.random.default_rng(0).random((3, 2, 5)).astype(np.float32)
    whole = example().assign(probe_loss=(("checkpoint", "probe_draw", "probe_sample"), trace))
    draws.save(path, whole, {})
    found = draws.load(path)
    assert not found.probe_loss.variable._in_memory
    assert found.excess_loss.variable._in_memory
    np.testing.assert_array_equal(found.probe_loss[1], trace[1])


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    with pytest.raises(ArtifactError, match=r"draws\.nc"):
        draws.load(path)
    draws.save(path, example(), {})
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"not a file at all"):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"draws\.nc is not a whole.*Delete"):
            draws.load(path)
    example().to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ArtifactError, match="not a draws file of this version"):
        draws.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    draws.save(path, example(), {})
    before = path.read_bytes()
    bad = example().assign(broken=("x", np.array([object()], dtype=object)))
    with pytest.raises((TypeError, ValueError)):
        draws.save(path, bad, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["draws.nc"]
