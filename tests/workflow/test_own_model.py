"""A user's own language model, from a folder to its table, by the workflow."""

import language_models
import numpy as np
import pytest
import yaml
from copies import Copy, tiny

from stagewise import tables
from stagewise.engine import draws

pytestmark = pytest.mark.workflow

TABLE = "results/custom/mine/llc.csv"
INFLUENCE = "results/custom/mine/bif.nc"
RESPONSE = "results/custom/mine/susceptibilities.nc"
OVERLAY = {
    "testbeds": {
        "huggingface": {
            "mine": {
                "seeds": [0],
                "model": {
                    "folder": "model",
                    "revisions": ["step0", "step1"],
                    "text": "text.txt",
                    "context": 12,
                    "sequences": 16,
                    "held_out": 2,
                    "evaluation": 8,
                },
                "sampling": {
                    name: {
                        "kernel": "sgld",
                        "steps": 6,
                        "burn_in": 2,
                        "chains": 2,
                        "batch": 4,
                        "localization": 100.0,
                        "epsilon": 1e-4,
                        **changes,
                    }
                    for name, changes in {
                        "whole": {"observables": {"train": {}, "held_out_tokens": {}}},
                        "parts": {"components": ["layer1", "0:3"]},
                        "response": {
                            "components": ["0:3", "all"],
                            "n": [20.0, 40.0],
                            "beta": 1.0,
                            "coupled": True,
                            "chains": 4,
                            "observables": {"held_out_tokens": {"keep": "response"}},
                        },
                    }.items()
                },
            }
        }
    }
}


PER_REVISION = {
    "testbeds": {
        "huggingface": {
            f"mine_{revision}": {
                "seeds": [0],
                "memory_mb": 3000,
                "model": {
                    "folder": "model",
                    "revisions": [revision],
                    "text": "text.txt",
                    "context": 12,
                    "sequences": 16,
                    "held_out": 2,
                    "evaluation": 8,
                },
                "compression": {
                    "matrices": {
                        "schemes": {
                            "quantization": {
                                "scheme": "quantization", "most": 41, "count": 6, "draws": 2,
                            },
                        },
                        "tolerances": [1e-4, 2e-4],
                        "coded": [5],
                    }
                },
                "sampling": {
                    "fixed": OVERLAY["testbeds"]["huggingface"]["mine"]["sampling"]["whole"],
                    "relative": {
                        **OVERLAY["testbeds"]["huggingface"]["mine"]["sampling"]["whole"],
                        "coordinates": "relative",
                    },
                },
            }
            for revision in ("step0", "step1")
        }
    },
}  # fmt: skip
"""One job for each revision, as the paper scale of figure 2 has it."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The repository with a model beside it, and its table made."""
    copy = tiny(tmp_path_factory.mktemp("own") / "copy")
    language_models.saved(copy.path / "model", steps=(0, 1))
    (copy.path / "text.txt").write_text(language_models.text(600))
    (copy.path / "mine.yaml").write_text(yaml.safe_dump(OVERLAY, sort_keys=False))
    copy.made(TABLE, INFLUENCE, RESPONSE, "--configfile", "mine.yaml")
    return copy


def test_one_table_has_every_sampling(copy: Copy) -> None:
    table = tables.load(copy.path / TABLE)
    assert list(table.columns[:10]) == [
        *("model", "revision", "step", "sampling", "seed"),
        *("component", "n", "lambda_hat", "low", "high"),
    ]
    found = table[["sampling", "revision", "component"]].fillna("").to_numpy().tolist()
    assert found == [
        ["whole", "step0", ""],
        ["whole", "step1", ""],
        *(["parts", step, part] for step in ("step0", "step1") for part in ("layer1", "0:3")),
        *(
            ["response", step, part]
            for step in ("step0", "step1")
            for part in ("0:3", "all")
            for _ in (20.0, 40.0)
        ),
    ]
    assert (table["model"] == "model").all()
    assert table["commit"].nunique() == 2
    assert ((table["low"] < table["lambda_hat"]) & (table["lambda_hat"] < table["high"])).all()


def test_influence_of_any_sample_on_any_other(copy: Copy) -> None:
    found = draws.load(copy.path / INFLUENCE)
    assert found.covariance.dims == ("sampling", "seed", "checkpoint", "n", "sample", "other")
    assert found.sampling.values.tolist() == ["whole"]
    assert found.revision.values.tolist() == ["step0", "step1"]
    own = found.isel(sample=found.observable == "train").sequence.values
    assert own.tolist() == list(range(16))
    tokens = found.isel(sample=found.observable == "held_out_tokens")
    assert tokens.sizes["sample"] == 2 * 11
    diagonal = np.diagonal(found.covariance.values, axis1=-2, axis2=-1)
    assert (diagonal > 0).all()
    assert np.allclose(np.diagonal(found.correlation.values, axis1=-2, axis2=-1), 1)


def test_susceptibility_of_any_token(copy: Copy) -> None:
    found = draws.load(copy.path / RESPONSE)
    one = ("sampling", "seed", "checkpoint", "component", "half", "sample", "token")
    assert found.restricted.dims == found.two_chain.dims == one
    assert found.component.values.tolist() == ["0:3"]
    assert found.revision.values.tolist() == ["step0", "step1"]
    assert (found.sizes["half"], found.sizes["sample"], found.sizes["token"]) == (2, 2, 11)
    for name in ("restricted", "two_chain", "fragility"):
        spread = float(found[name].std())
        assert spread > 0
        assert np.abs(found[name].mean(["sample", "token"])).max() < 1e-6 * spread


def test_influence_without_recorded_losses_is_named(copy: Copy) -> None:
    wrong = yaml.safe_load(yaml.safe_dump(OVERLAY))
    del wrong["testbeds"]["huggingface"]["mine"]["sampling"]["whole"]["observables"]
    (copy.path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    ended = copy.snakemake("--dry-run", INFLUENCE, "--configfile", "wrong.yaml")
    assert ended.status == 1
    assert "testbeds.huggingface.mine.sampling: none records losses of samples" in ended.text
    assert "Traceback" not in ended.text


def test_the_log_is_plain(copy: Copy) -> None:
    log = (copy.path / "logs/smoke/huggingface/mine/seed0/whole/sample.log").read_text()
    assert "done" in log
    assert "Warning" not in log


def test_other_weights_and_another_text_are_sampled_anew(copy: Copy) -> None:
    planned = (TABLE, "--configfile", "mine.yaml")
    assert copy.plan(*planned) == {}
    (copy.path / "text.txt").write_text(language_models.text(600, seed=1))
    language_models.gpt_neox(seed=5).save_pretrained(copy.path / "model/step1")
    reasons = {job: why for job, why in copy.plan(*planned).items() if job.startswith("sample ")}
    assert len(reasons) == 3
    for why in reasons.values():
        assert "text.txt" in why
        assert "model/step1/model.safetensors" in why
        assert "model/step0/model.safetensors" not in why


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "none.txt"}, "text: there is no file none.txt"),
        ({"revisions": ["step7"]}, "revisions: model has no folder 'step7'; its folders: step0"),
    ],
)
def test_what_is_not_there_is_named_before_any_job(
    copy: Copy, change: dict[str, object], message: str
) -> None:
    wrong = yaml.safe_load(yaml.safe_dump(OVERLAY))
    wrong["testbeds"]["huggingface"]["mine"]["model"] |= change
    (copy.path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    ended = copy.snakemake("--dry-run", TABLE, "--configfile", "wrong.yaml")
    assert ended.status == 1
    assert f"stagewise: testbeds.huggingface.mine.model.{message}" in ended.text
    assert "Traceback" not in ended.text


def test_a_job_for_each_revision(copy: Copy) -> None:
    (copy.path / "suite.yaml").write_text(yaml.safe_dump(PER_REVISION, sort_keys=False))
    runs = [f"results/huggingface/mine_step{step}/seed0" for step in (0, 1)]
    names = ("matrices/critical.csv", "matrices/coded.csv", "fixed/llc.csv", "relative/llc.csv")
    copy.made(*(f"{run}/{name}" for run in runs for name in names), "--configfile", "suite.yaml")
    for step, run in enumerate(runs):
        found = {name: tables.load(copy.path / run / name) for name in names}
        assert all(set(table["step"]) == {step} for table in found.values())
        assert set(found[names[0]]["variant"]) == {f"mine_step{step}"}
        assert (found[names[1]]["bytes"] > 0).all()
        assert found[names[3]]["lambda_hat"].notna().all()
