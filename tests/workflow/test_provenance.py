"""Where results come from: records, `scripts/explain.py`, and results that were moved or copied."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from commands import Ended
from copies import Copy

from stagewise import provenance
from stagewise.artifacts import ArtifactError, file_digest

pytestmark = pytest.mark.workflow

FIGURE = "results/figure99.pdf"
TABLE = "results/line/fits/seed0/sgld/llc.csv"
DRAWS = "results/line/fits/seed0/sgld/draws.nc"
CHECKPOINTS = "results/line/fits/seed0/checkpoints.safetensors"
SNAKEMAKE = ".snakemake/metadata"
"""Where Snakemake's own records are."""


def explain(copy: Copy, *arguments: str) -> Ended:
    """Runs the command as a user would."""
    return copy.ran([sys.executable, "scripts/explain.py", *arguments], timeout=300)


def edit_by_hand(path: Path) -> None:
    """One byte of the file, in its middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_file_has_a_record(finished: Copy) -> None:
    results = finished.path / "results"
    files = [path for path in results.rglob("*") if path.is_file()]
    made = [path for path in files if provenance.FOLDER not in path.parts and path.name[0] != "."]
    assert {path.suffix for path in made} == {
        ".csv", ".html", ".json", ".nc", ".pdf", ".png", ".safetensors"
    }  # fmt: skip
    for path in made:
        record = provenance.read(path)
        assert record is not None, path
        assert record["sha256"] == file_digest(path), path
        assert record["rule"]
        assert record["seconds"] > 0
        assert record["threads"] == 1
        assert record["host"].startswith(provenance.platform.system())
        assert record["versions"].keys() == {"python", *provenance.PACKAGES}
        assert any(name.startswith("scripts/") for name in record["modules"])
        for name, digest in record["inputs"].items():
            assert digest == file_digest(results / name)
        for name, digest in record["outside"].items():
            assert digest == file_digest(finished.path / name)
    records = [path for path in files if path.is_relative_to(results / provenance.FOLDER)]
    assert len(records) == len(made)


def test_records_hold_settings_and_seeds(finished: Copy) -> None:
    draws = provenance.read(finished.path / DRAWS)
    assert draws is not None
    assert draws["wildcards"]["seed"] == "0"
    sampling = finished.configuration()["testbeds"]["line"]["fits"]["sampling"]["sgld"]
    assert draws["settings"]["sampling"] == sampling
    judged = provenance.read(finished.path / "results/tiny/claims.csv")
    assert judged is not None
    assert list(judged["outside"]) == ["workflow/papers/tiny.yaml"]


def test_a_figure_is_explained(finished: Copy) -> None:
    done = explain(finished, FIGURE)
    assert done.status == 0, done.text
    for expected in (
        "by rule figure_tiny",
        "as it was made",
        "with all 11 jobs that it rests on",  # 2 trained, 3 sampled, 3 estimated, 2 measured
        "line/fits 0, 1, polynomial/valleys 0",
        "the same now",
        "with figure99.png",
        "results/tiny/lines.csv  (measure, ",
    ):
        assert expected in done.text
    assert CHECKPOINTS not in done.text, "deeper than two levels"

    whole = explain(finished, "--full", FIGURE).text
    for name in ("seed0", "seed1"):
        for file in ("checkpoints.safetensors", "sgld/draws.nc", "sgld/llc.csv"):
            assert whole.count(f"results/line/fits/{name}/{file}  (") == 1
    assert "src/stagewise/figures/tiny.py" in whole


def test_what_was_changed_by_hand_is_named(done: Copy) -> None:
    edit_by_hand(done.path / DRAWS)
    for file in (DRAWS, FIGURE):
        found = explain(done, file)
        assert f"{DRAWS}: changed by hand since it was made" in found.text
        assert found.status == 1
    other = explain(done, "results/polynomial/valleys/seed0/mala/llc.csv")
    assert other.status == 0, other.text
    assert "changed" not in other.text

    (done.path / CHECKPOINTS).unlink()
    assert f"No longer there:\n  {CHECKPOINTS}\n" in explain(done, FIGURE).text
    done.append("src/stagewise/figures/tiny.py")
    assert "differs now: src/stagewise/figures/tiny.py" in explain(done, FIGURE).text


def test_an_input_that_was_made_again_is_named(done: Copy) -> None:
    done.configure("llc", "level", to=0.8)
    done.made(TABLE)
    found = explain(done, "--full", FIGURE)
    assert f"{TABLE}: made again since" in found.text
    assert found.status == 1


def test_a_moved_folder_is_explained(finished: Copy, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(finished.path / "results", moved)
    done = explain(finished, "--full", str(moved / "figure99.pdf"))
    assert done.status == 0, done.text
    assert f"{moved}/line/fits/seed0/checkpoints.safetensors  (train, " in done.text
    edit_by_hand(moved / "tiny/lines.csv")
    assert "lines.csv: changed by hand" in explain(finished, str(moved / "figure99.pdf")).text


def test_files_without_a_record(done: Copy, tmp_path: Path) -> None:
    alone = tmp_path / "sent.pdf"
    shutil.copy(done.path / FIGURE, alone)
    assert f"{alone} is a copy of {done.path / FIGURE}" in explain(done, str(alone)).text
    foreign = done.path / "results/notes.txt"
    foreign.write_text("mine\n")
    cases = {
        str(foreign): "has no record: it was not made by this workflow",
        "README.md": "is in no results folder, and no result here has these bytes",
        "results": "is a folder",
        "results/figure98.pdf": "there is no file",
    }
    for name, message in cases.items():
        found = explain(done, name)
        assert found.status == 1
        assert message in found.text, found.text
        assert "Traceback" not in found.text

    record = done.path / "results/.provenance/figure99.pdf.json"
    record.write_text(record.read_text()[:100])
    found = explain(done, FIGURE)
    assert found.status == 1
    assert "figure99.pdf.json, the record of" in found.text
    assert "Traceback" not in found.text


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / provenance.MARKER).write_text("1")
    (tmp_path / provenance.FOLDER).mkdir()
    (tmp_path / provenance.FOLDER / "a.csv.json").write_text(json.dumps({"format": "other-1"}))
    with pytest.raises(ArtifactError, match="format 'other-1', expected"):
        provenance.read(tmp_path / "a.csv")


def test_nothing_is_stale_after_a_run(finished: Copy) -> None:
    found = explain(finished, "--stale")
    assert found.status == 0, found.text
    assert "\n" not in found.text.strip(), "one line, and no warning"
    count = len(list((finished.path / "results" / provenance.FOLDER).rglob("*.json")))
    assert f"{count} of {count} results are what today's" in found.text


def test_a_fresh_clone_beside_old_results(done: Copy, tmp_path: Path) -> None:
    """Snakemake has no records there and sees no setting that changed; ours do."""
    shutil.rmtree(done.path / SNAKEMAKE)
    done.configure("testbeds", "line", "fits", "sampling", "sgld", "chains", to=3)
    text = done.made("--dry-run")
    assert "Nothing to be done" in text
    assert "results/ was moved or copied here" in text

    found = explain(done, "--stale")
    assert found.status == 1
    assert f"{DRAWS}\n  setting sampling.chains = 2, now 3\n" in found.text
    assert TABLE not in found.text, "it rests on the draws, and is counted"
    assert TABLE in explain(done, "--stale", "--full").text
    assert "mala/draws.nc" not in found.text

    # What the command says to do: accept all, then make the stale ones again.
    assert "\n  snakemake --touch --forceall\n" in found.text
    force = found.text.split("\n  snakemake --forcerun ")[1].split()
    assert sorted(force) == [DRAWS, DRAWS.replace("seed0", "seed1")]
    done.made("--touch", "--forceall")
    done.made("--forcerun", *force)
    assert explain(done, "--stale").status == 0
    assert done.plan() == {}
    done.configure("llc", "level", to=0.8)
    assert f"llc {TABLE.removeprefix('results/').removesuffix('.csv')}" in done.plan()


def test_code_inputs_and_deleted_files(done: Copy) -> None:
    (done.path / TABLE).unlink()
    done.append("src/stagewise/figures/tiny.py")
    done.edit("workflow/papers/tiny.yaml", lambda page: page.replace("[0, 3]", "[0, 2]"))
    found = explain(done, "--stale")
    assert f"{FIGURE}\n  code of src/stagewise/figures/tiny.py\n" in found.text
    assert "claims.csv\n  input workflow/papers/tiny.yaml: edited since\n" in found.text
    assert "llc.csv" not in found.text, "a deleted file makes nothing stale"
    assert "no records of" not in found.text, "Snakemake has its own"


def test_moved_results_and_lost_times(done: Copy, tmp_path: Path) -> None:
    """A folder copied without its times is made sense of by content."""
    moved = tmp_path / "moved"
    shutil.copytree(done.path / "results", moved, copy_function=shutil.copyfile)
    shutil.rmtree(done.path / "results")
    done.configure("results", to=str(moved))
    assert f"{moved}/ was moved or copied here" in done.made("--dry-run")
    found = explain(done, "--stale")
    assert found.status == 0, found.text
    assert "Snakemake has no records of" in found.text
    done.made("--touch", "--forceall")
    assert done.plan() == {}
    assert "was moved or copied" not in done.made("--dry-run")
    assert explain(done, str(moved / "figure99.pdf")).status == 0


def test_help_says_what_it_does(finished: Copy) -> None:
    done = explain(finished, "--help")
    assert done.status == 0
    assert "--stale" in done.text
    assert explain(finished).status == 2


def test_unknown_configuration_is_one_message(start: Copy) -> None:
    start.configure("scale", to="none such")
    found = explain(start, "--stale")
    assert found.status != 0
    assert "scale" in found.text
    assert "Traceback" not in found.text
