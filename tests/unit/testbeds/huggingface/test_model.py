"""A model of the user's own, from a folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from language_models import settings
from safetensors.torch import load_file

from stagewise.artifacts import ArtifactError
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import llc_table
from stagewise.pretrained import own_files
from stagewise.samplers import sgld
from stagewise.testbeds.huggingface import build

REVISIONS = ["step0", "step1", "step2"]


def test_revisions_are_points(shared: Path) -> None:
    testbed = build(settings(shared, revisions=REVISIONS), 0)
    assert testbed.points is not None
    points = testbed.points()
    assert points.index["revision"].tolist() == REVISIONS
    assert points.index["step"].tolist() == [0, 1, 2]
    assert points.index["commit"].str.fullmatch("sha256:[0-9a-f]{16}").all()
    assert points.index["commit"].nunique() == 3
    for place, name in enumerate(REVISIONS):
        stored = load_file(shared / name / "model.safetensors")
        # transformers stores the unembedding under an older name than it gives it
        stored["lm_head.weight"] = stored.pop("embed_out.weight")
        assert set(stored) == set(points.parameters)
        for key, tensor in stored.items():
            assert points.parameters[key][place].equal(tensor)


def test_names_that_are_no_steps_are_counted(folder: Path) -> None:
    for old, new in (("step1", "checkpoint-500"), ("step2", "final")):
        (folder / old).rename(folder / new)
    named = {
        ("step0", "checkpoint-500"): [0, 500],
        ("step0", "checkpoint-500", "final"): [0, 1, 2],
    }
    for revisions, steps in named.items():
        testbed = build(settings(folder, revisions=list(revisions)), 0)
        assert testbed.points is not None
        assert testbed.points().index["step"].tolist() == steps


def test_the_folder_itself_is_the_default(folder: Path) -> None:
    single = folder / "step1"
    own = settings(single, revisions=None, text=str(folder.parent / "text.txt"))
    with pytest.raises(ArtifactError, match="step1 has no tokenizer"):
        build(own, 0)
    for path in folder.glob("tokenizer*"):
        shutil.copy(path, single)
    testbed = build(own, 0)
    assert testbed.points is not None
    assert testbed.points().index[["revision", "step"]].to_numpy().tolist() == [[".", 0]]


def test_loss_is_that_of_the_model(shared: Path) -> None:
    testbed = build(settings(shared), 0)
    assert testbed.points is not None
    point = {name: tensor[0] for name, tensor in testbed.points().parameters.items()}
    model = transformers.GPTNeoXForCausalLM.from_pretrained(shared / "step2")
    tokens = testbed.data["tokens"]
    losses = testbed.losses(point, {}, testbed.data)
    assert losses.shape == (24,)
    torch.testing.assert_close(losses.mean(), model(tokens, labels=tokens).loss.detach())
    recorded = ["train", "held_out"]
    assert list(testbed.observables) == [*recorded, *(f"{name}_tokens" for name in recorded)]
    whole, each = (testbed.observables[name] for name in ("held_out", "held_out_tokens"))
    of_tokens = each.losses(point, {}, each.data)
    assert of_tokens.shape == (4, 11)
    torch.testing.assert_close(of_tokens.mean(1), whole.losses(point, {}, whole.data))
    assert testbed.observables["held_out"].data["tokens"].shape == (4, 12)
    assert len(testbed.reported["tokens"]) == 8


def test_sequences_are_the_text_and_the_seed_chooses_them(shared: Path) -> None:
    own = settings(shared, sequences=40)
    text = (shared.parent / "text.txt").read_text()
    tokenizer = transformers.AutoTokenizer.from_pretrained(shared)
    whole = tokenizer(text)["input_ids"]
    pieces = [whole[at : at + 12] for at in range(0, len(whole) - 11, 12)]
    first, again, other = (build(own, seed) for seed in (0, 0, 1))
    rows = [
        *first.data["tokens"].tolist(),
        *first.observables["held_out"].data["tokens"].tolist(),
    ]
    assert len(rows) == 44
    assert all(rows.count(row) <= pieces.count(row) for row in rows)
    assert first.data["tokens"].equal(again.data["tokens"])
    assert not first.data["tokens"].equal(other.data["tokens"])


def test_sequences_start_as_the_tokenizer_does(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    from tokenizers.processors import TemplateProcessing

    tokenizer.add_special_tokens({"bos_token": "?"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="? $A", special_tokens=[("?", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    tokens = build(settings(folder), 0).data["tokens"]
    assert tokens.shape == (24, 12)
    assert (tokens[:, 0] == tokenizer.bos_token_id).all()
    assert (tokens[:, 1:] != tokenizer.bos_token_id).all()


def test_tokens_need_no_tokenizer(folder: Path) -> None:
    given = np.random.default_rng(0).integers(128, size=(30, 16))
    np.save(folder.parent / "tokens.npy", given)
    own = settings(
        folder / "step1",
        revisions=None,
        text=None,
        tokens=str(folder.parent / "tokens.npy"),
    )
    tokens = build(own, 0).data["tokens"]
    assert {tuple(row) for row in tokens.tolist()} <= {tuple(row[:12]) for row in given.tolist()}


def test_posteriors_of_revisions_and_heads(shared: Path) -> None:
    testbed = build(settings(shared, revisions=["step0", "step2"]), 0)
    assert testbed.points is not None
    sampling = Sampling(
        kernel="sgld",
        steps=6,
        burn_in=2,
        chains=2,
        localization=100.0,
        epsilon=1e-4,
        batch=8,
        components=["all", "1:2", "mlp0"],
        observables={},
    )
    draws = sample(testbed, testbed.points(), sgld, sampling, seed=0, report=lambda *a: None)
    table = llc_table(draws)
    assert len(table) == 6
    assert table["lambda_hat"].notna().all()
    assert set(table["revision"]) == {"step0", "step2"}
    dimensions = dict(zip(table["component"], table["dimension"], strict=True))
    # rows of three projections and their biases, columns of one: 24 x 32 + 24 + 32 x 8
    assert dimensions["1:2"] == 24 * 32 + 24 + 32 * 8
    assert dimensions["mlp0"] == 2 * 32 * 64 + 32 + 64


def test_a_models_files_are_known(shared: Path) -> None:
    found = own_files(settings(shared, revisions=["step0", "step1"]))
    names = {str(Path(path).relative_to(shared.parent)) for path in found}
    weights = {f"model/{name}/model.safetensors" for name in ("step0", "step1")}
    assert names > weights | {"text.txt", "model/tokenizer.json", "model/step0/config.json"}
    assert "model/step2/model.safetensors" not in names
