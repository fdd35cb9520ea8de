"""A model of the user's own that cannot be used: one message, which names what is wrong."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import language_models
import numpy as np
import pytest
import torch
import transformers
from language_models import settings
from safetensors.torch import load_file, save_file

from stagewise.artifacts import ArtifactError
from stagewise.settings import SettingsError
from stagewise.testbeds.huggingface import build


def changed(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "step2/model.safetensors")
    change(tensors)
    save_file(tensors, folder / "step2/model.safetensors", metadata={"format": "pt"})


def halved(folder: Path) -> None:
    path = folder / "step2/model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(folder: Path) -> None:
    weights = folder / "step2/model.safetensors"
    torch.save(load_file(weights), folder / "step2/pytorch_model.bin")
    weights.unlink()


def of_another(folder: Path) -> None:
    config = transformers.GPT2Config(vocab_size=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=0)
    (folder / "step2/config.json").write_text(config.to_json_string())


FOLDERS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "truncated": (halved, ["step2/model.safetensors is not a whole safetensors file"]),
    "only pickles": (pickled, ["step2 has no weights as safetensors (only pytorch_model.bin"]),
    "no weights": (
        lambda folder: (folder / "step2/model.safetensors").unlink(),
        ["step2 has no weights as safetensors (none)"],
    ),
    "no config": (
        lambda folder: (folder / "step2/config.json").unlink(),
        ["step2/config.json cannot be read"],
    ),
    "another architecture": (
        of_another,
        ["step2: the weights are not those of its config.json, GPT2LMHeadModel: 2", "missing"],
    ),
    "weights missing": (
        lambda folder: rewritten(
            folder, lambda t: t.pop("gpt_neox.layers.1.mlp.dense_h_to_4h.bias")
        ),
        ["not those of its config.json", "1 missing (gpt_neox.layers.1.mlp.dense_h_to_4h.bias)"],
    ),
    "weights too many": (
        lambda folder: rewritten(folder, lambda t: t.update(more=torch.zeros(2))),
        ["not those of its config.json", "1 unexpected (more)"],
    ),
    "another width": (
        lambda folder: changed(folder / "step2/config.json", intermediate_size=48),
        ["not those of its config.json", "6 of another shape (gpt_neox.layers.0.mlp"],
    ),
    "not finite": (
        lambda folder: rewritten(folder, lambda t: t["embed_out.weight"].fill_(torch.nan)),
        ["step2: the weights lm_head.weight are not finite"],
    ),
    "code of its own": (
        lambda folder: changed(
            folder / "step2/config.json", auto_map={"AutoModelForCausalLM": "own.Model"}
        ),
        ["step2/config.json names code of its own (auto_map)"],
    ),
    "a tokenizer with code": (
        lambda folder: changed(
            folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}
        ),
        ["tokenizer_config.json names code of its own (auto_map)"],
    ),
    "unknown family": (
        lambda folder: changed(folder / "step2/config.json", model_type="zorg"),
        ["step2: transformers cannot load this model", "zorg"],
    ),
    "no language model": (
        lambda folder: changed(folder / "step2/config.json", architectures=["GPTNeoXModel"]),
        ["step2/config.json is of GPTNeoXModel, not of a causal language model"],
    ),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.glob("*.json")],
        ["step2 has no tokenizer (tokenizer.json)", "model.tokens"],
    ),
    "a damaged tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        ["transformers cannot load its tokenizer"],
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_that_cannot_be_used(folder: Path, case: str) -> None:
    damage, messages = FOLDERS[case]
    build(settings(folder), 0)
    damage(folder)
    with pytest.raises(ArtifactError) as caught:
        build(settings(folder), 0)
    for message in (str(folder), *messages):
        assert message in str(caught.value)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "neither name nor folder": ({"folder": None}, "name: give either"),
    "name and folder": ({"name": "some/model"}, "name: give either"),
    "no text": ({"text": None}, "text: give either"),
    "text and corpus": ({"corpus": "installed"}, "model.corpus: give one of text, tokens"),
    "no such folder": ({"folder": "nowhere"}, "model.folder: there is no folder nowhere"),
    "no such revision": ({"revisions": ["step9"]}, "no folder 'step9'; its folders: step0, step1"),
    "a revision twice": ({"revisions": ["step1", "step1"]}, "revisions: must differ"),
    "no such text": ({"text": "none.txt"}, "model.text: there is no file none.txt"),
    "too short a text": ({"sequences": 9999}, "sequences of 12 tokens, and sequences + held_out"),
    "beyond the positions": ({"context": 33}, "model.context: 33 tokens are more than the 32"),
    "one token": ({"context": 1}, "context: must be at least 2"),
    "misspelt": ({"contxt": 3}, "huggingface.model.contxt: unknown setting"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be_used(shared: Path, case: str) -> None:
    changes, message = SETTINGS[case]
    with pytest.raises(SettingsError) as caught:
        build(settings(shared, **changes), 0)
    assert message in str(caught.value)


def test_texts_that_cannot_be_used(folder: Path) -> None:
    path = folder.parent / "text.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"model\.text: .*text\.txt is not text in UTF-8"):
        build(settings(folder), 0)
    path.write_text("")
    with pytest.raises(SettingsError, match=r"text\.txt gives 0 sequences"):
        build(settings(folder), 0)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((30, 4), dtype=int), "at least 12 places"),
        (np.zeros((30, 16)), "must hold whole numbers"),
        (np.full((30, 16), 128), "gives tokens from 128 to 128, the model knows 0 to 127"),
        (np.zeros((3, 16), dtype=int), "gives 3 sequences of 12 tokens"),
    ],
)
def test_tokens_that_cannot_be_used(folder: Path, array: Any, message: str) -> None:
    path = folder.parent / "tokens.npy"
    np.save(path, array)
    with pytest.raises(SettingsError) as caught:
        build(settings(folder, text=None, tokens=str(path)), 0)
    assert message in str(caught.value)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(SettingsError, match="is not a file of numpy"):
        build(settings(folder, text=None, tokens=str(path)), 0)


def test_revisions_of_different_models_are_told(folder: Path) -> None:
    language_models.gpt_neox(hidden_act="relu").save_pretrained(folder / "step1")
    testbed = build(settings(folder, revisions=["step0", "step1"]), 0)
    assert testbed.points is not None
    with pytest.raises(SettingsError, match=r"step0 and step1 are .* differ in hidden_act"):
        testbed.points()


def test_the_same_weights_twice_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(folder / "step0/model.safetensors", folder / "step1/model.safetensors")
    testbed = build(settings(folder, revisions=["step0", "step1", "step2"]), 0)
    assert testbed.points is not None
    testbed.points()
    assert caplog.messages == ["step0 and step1 are the same weights"]
