"""The testbed of small GPT-NeoX models: its text, what is done to it, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stagewise.data.tokens import BEGINNING, Tokens
from stagewise.pretrained import module_of
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.gpt_neox import build
from stagewise.testbeds.testbed import Testbed

SMALL = {"corpus": "c", "length": 20, "train": 400, "test": 30, "width": 16, "heads": 2}


def corpus() -> Tokens:
    """Train counts up over even numbers, test over odd ones: it shows where a window is from."""
    even, odd = np.arange(2, 300, 2), np.arange(1, 300, 2)
    return Tokens(300, {"a": even[:70], "b": even[70:]}, {"a": odd[:70], "b": odd[70:]})


def made(seed: int = 0, **other: Any) -> Testbed:
    return build(SMALL | other, seed, corpus())


def is_text(tokens: torch.Tensor) -> torch.Tensor:
    return (tokens[:, 1:].diff(dim=1) == 2).all(1)


def test_training_and_held_out_sequences() -> None:
    testbed = made()
    data, reported = testbed.data["tokens"], testbed.evaluation["tokens"]
    assert data.shape == (400, 21)
    assert (data[:, 0] == BEGINNING).all()
    assert is_text(data).all()
    assert is_text(reported).all()
    assert (reported[:, 1:] % 2 == 1).all()
    assert not torch.equal(data, made(1).data["tokens"])
    assert torch.equal(reported, made(1).evaluation["tokens"])
    assert made(domains=["a"]).data["tokens"].max() <= 140
    assert made(domains=["a"]).evaluation["tokens"].max() <= 140


def test_noise_and_memorised_sequences_are_of_the_training_data_only() -> None:
    plain, changed = made().data["tokens"], made(noise=0.3, memorised=0.5, pool=4).data["tokens"]
    assert torch.equal(
        made(noise=0.3, memorised=0.5).evaluation["tokens"], made().evaluation["tokens"]
    )
    same = (made(noise=0.3).data["tokens"] == plain)[:, 1:].double().mean()
    assert 0.66 < same < 0.74
    assert (changed[:, 0] == BEGINNING).all()
    repeated = made(memorised=0.5, pool=4).data["tokens"]
    kept = (repeated == plain).all(1)
    assert 0.4 < kept.double().mean() < 0.6
    assert len(repeated[~kept].unique(dim=0)) <= 4


def test_it_is_the_model_that_transformers_makes_of_the_same_weights(tmp_path: Path) -> None:
    """Saved as transformers does, loaded again, its own loss is that of the testbed."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    testbed = made(rotary=0.5)
    assert testbed.initial is not None
    w = testbed.initial(generator(7, "w"))
    again = testbed.initial(generator(7, "w"))
    assert all(torch.equal(w[name], again[name]) for name in w)
    assert not torch.equal(
        w["gpt_neox.embed_in.weight"],
        testbed.initial(generator(8, "w"))["gpt_neox.embed_in.weight"],
    )
    settings: dict[str, Any] = {
        "vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 20, "rotary_pct": 0.5,
    }  # fmt: skip
    own = GPTNeoXForCausalLM(GPTNeoXConfig(**settings))
    own.load_state_dict(w)
    own.save_pretrained(tmp_path)
    module = module_of(tmp_path)
    tokens = testbed.evaluation["tokens"].long()
    with torch.no_grad():
        logits = module(tokens[:, :-1]).logits
        expected = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        ).reshape(30, 20)
        found = testbed.observables["held_out"].losses(w, {}, testbed.evaluation)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(testbed.losses(w, {}, testbed.evaluation), expected.mean(1))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"length": 75}, r"^gpt_neox\.model\.length: 75 tokens, but a has only 70"),
        ({"domains": ["c"]}, r"^gpt_neox\.model\.domains: no domain 'c'; there are a, b"),
        ({"heads": 3}, r"^gpt_neox\.model\.heads: 3 do not divide the width 16"),
        ({"noise": 1.0}, r"^gpt_neox\.model\.noise: must be in \[0, 1\)"),
        ({"pool": 0}, r"^gpt_neox\.model\.pool: must be at least 1"),
        ({"vocab": 3}, r"vocab"),
    ],
)
def test_bad_settings(other: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made(**other)


def test_needs_a_corpus() -> None:
    with pytest.raises(SettingsError, match="corpus"):
        build(SMALL, 0)
