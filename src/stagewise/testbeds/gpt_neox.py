"""Small GPT-NeoX models, built as transformers builds them, that learn the text of a corpus."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from stagewise.data.tokens import Tokens
from stagewise.data.windows import windows
from stagewise.models import causal_attention, causal_lm
from stagewise.models.causal_lm_parts import components
from stagewise.seeds import generator, stream_seed
from stagewise.settings import SettingsError
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed

Array = NDArray[Any]


@dataclass(frozen=True)
class Model:
    """The text, what is done to it, and the network."""

    corpus: str
    """Its name in the section `corpora`."""
    domains: list[str] = field(default_factory=list)
    """Those that the text is of; by default all."""
    noise: float = 0.0
    """Share of the training tokens that are replaced by uniform ones."""
    memorised: float = 0.0
    """Share of the training sequences that are one of `pool` sequences, over and over."""
    pool: int = 64
    length: int = 64
    """Tokens of a sequence after its beginning."""
    train: int = 65536
    """Sequences to train on and to sample with."""
    test: int = 64
    """Held-out sequences, of the same domains and unchanged, that losses are reported on."""
    width: int = 64
    heads: int = 4
    """In every layer."""
    layers: int = 2
    rotary: float = 0.25
    """Share of a head's coordinates that are rotated by the position."""

    def __post_init__(self) -> None:
        for name in ("length", "train", "test", "width", "heads", "layers", "pool"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        for name in ("noise", "memorised"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: must be in [0, 1), got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide the width {self.width}")


def build(settings: dict[str, Any], seed: int, corpus: Tokens | None = None) -> Testbed:
    """The model as a testbed; `seed` chooses the training sequences and the initial weights.

    GPT-NeoX with parallel residuals, rotary positions, perceptrons of four times the width and an
    output matrix of its own. Loss: mean cross-entropy of the tokens of a sequence, in nats.
    Components: those of `models.causal_lm_parts`. Observables: held_out, the loss of each token;
    train and test, that of each sequence to train on and of each that is held out.
    """
    model = build_settings(Model, settings, "gpt_neox.model")
    if corpus is None:
        raise SettingsError("gpt_neox.model.corpus: the testbed needs the tokens of a corpus")
    for name in model.domains:
        if name not in corpus.train:
            known = ", ".join(corpus.train)
            raise SettingsError(f"gpt_neox.model.domains: no domain {name!r}; there are {known}")

    def text(part: dict[str, Array], count: int, seed: int) -> Array:
        chosen = {name: part[name] for name in model.domains or part}
        try:
            return windows(chosen, count, model.length, seed)
        except ValueError as error:
            raise SettingsError(f"gpt_neox.model.{error}") from error

    train = text(corpus.train, model.train, stream_seed(seed, "train"))
    pool = text(corpus.train, model.pool, stream_seed(seed, "pool"))
    changed = _changed(train, pool, model, corpus.vocabulary, stream_seed(seed, "changes"))
    held_out = _tensors(text(corpus.test, model.test, stream_seed(0, "held out")))
    module = _module(model, corpus.vocabulary, generator(0, "shapes"))
    of_tokens = causal_lm.next_token_losses(module)

    def token_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return of_tokens(w, batch["tokens"].long())

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return token_losses(w, constants, batch).mean(-1)

    data = _tensors(changed)
    return Testbed(
        name="gpt_neox",
        losses=losses,
        data=data,
        evaluation=held_out,
        tokens=model.length,
        initial=lambda stream: causal_lm.weights(_module(model, corpus.vocabulary, stream)),
        components=components(module),
        observables={
            "held_out": Observable(token_losses, held_out),
            "train": Observable(losses, data),
            "test": Observable(losses, held_out),
        },
    )


def module_with(weights: Parameters, settings: dict[str, Any], corpus: Tokens) -> Any:
    """The model of transformers itself, with these weights."""
    model = build_settings(Model, settings, "gpt_neox.model")
    module = _module(model, corpus.vocabulary, generator(0, "shapes"))
    module.load_state_dict(dict(weights))
    return module


def _changed(train: Array, pool: Array, model: Model, vocabulary: int, seed: int) -> Array:
    """The training sequences with some from the pool, and some tokens uniform."""
    random = np.random.default_rng(seed)
    again = random.random(len(train)) < model.memorised
    found = np.where(again[:, None], pool[random.integers(0, len(pool), len(train))], train)
    noisy = random.random(found.shape) < model.noise
    noisy[:, 0] = False  # the beginning
    return np.where(noisy, random.integers(1, vocabulary, found.shape), found)


def _module(model: Model, vocabulary: int, stream: Generator) -> Any:
    """A fresh model of transformers, its random weights from the stream."""
    # Imported here: it takes seconds, and settings are checked before.
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    causal_attention.register()
    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": model.width,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": 4 * model.width,
        "max_position_embeddings": model.length,
        "rotary_pct": model.rotary,
        "attn_implementation": causal_attention.NAME,
    }
    config = GPTNeoXConfig(**settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=stream)))
        return GPTNeoXForCausalLM(config).eval().requires_grad_(False)


def _tensors(tokens: Array) -> dict[str, Tensor]:
    """As narrow as the numbers are."""
    kind = torch.int16 if tokens.max() < 2**15 else torch.int32
    return {"tokens": torch.from_numpy(tokens).to(kind)}
