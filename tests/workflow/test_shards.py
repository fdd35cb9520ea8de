"""Two copies make the same bytes, also where several jobs share the chains of a sampling."""

import pytest
from copies import Copy, same_results

pytestmark = pytest.mark.workflow

RUN = "results/line/fits/seed0/sgld"
TABLE = f"{RUN}/llc.csv"


def test_shared_chains_give_the_same_results(finished: Copy, start: Copy) -> None:
    start.configure("testbeds", "line", "fits", "sampling", "sgld", "shards", to=2)
    assert {f"sample_shard line/fits/seed0/sgld/shard{k}of2" for k in (1, 2)} <= set(
        start.plan(TABLE)
    )
    start.made()
    assert same_results(finished.path / "results", start.path / "results") > 5
    assert {path.name for path in (start.path / RUN).iterdir()} == {"draws.nc", "llc.csv"}
    assert start.plan() == {}


def test_more_shards_than_chains_are_refused(start: Copy) -> None:
    start.configure("testbeds", "line", "fits", "sampling", "sgld", "shards", to=3)
    ended = start.snakemake("--dry-run", TABLE)
    assert ended.status == 1
    assert "line.fits.sampling.sgld.shards: 3 jobs cannot share 2 chains" in ended.text
