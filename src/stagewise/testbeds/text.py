"""Attention-only transformers that learn the text of a corpus, and to copy random blocks."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.tokens import Tokens
from stagewise.data.windows import Blocks, blocks, windows
from stagewise.estimators.text_scores import Held, scores
from stagewise.models import attention_only
from stagewise.seeds import generator, stream_seed
from stagewise.settings import SettingsError
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed

Array = NDArray[Any]


@dataclass(frozen=True)
class Model:
    """The text, how much of it, and the network."""

    corpus: str
    """Its name in the section `corpora`."""
    length: int = 64
    """Tokens of a sequence after its beginning."""
    block_share: float = 0.3
    """Share of sequences that are a random block, over and over, instead of text."""
    block: list[int] = field(default_factory=lambda: [4, 16])
    """Least and greatest length of a block."""
    train: int = 65536
    """Sequences to train on and to sample with."""
    test: int = 256
    """Held-out sequences that losses are reported on."""
    alone: int = 128
    """Held-out sequences of each domain, and of blocks, for scores."""
    refined: int = 4096
    """Sequences of each domain alone, the data of data-refined posteriors."""
    width: int = 64
    heads: int = 4
    """In every layer."""
    layers: int = 2
    sinusoids: bool = True
    """Whether positions start as sines and cosines, or else as normal numbers."""
    later_out: float = 0.05
    """Factor on the initial output weights of all layers but the first."""

    def __post_init__(self) -> None:
        for name in ("length", "train", "test", "alone", "refined", "width", "heads", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.block_share < 1:
            raise ValueError(f"block_share: must be in [0, 1), got {self.block_share}")
        if len(self.block) != 2 or not 2 <= self.block[0] <= self.block[1]:
            raise ValueError(f"block: must be [least, greatest], at least 2, got {self.block}")
        if self.length < 2 * self.block[1]:
            raise ValueError(
                f"length: {self.length} tokens do not hold a block of {self.block[1]} twice"
            )


OUTPUTS = 8
"""Sequences that the outputs of a model are recorded on."""
MIXED = 12
"""Sequences of each domain, and of blocks, in the observable `mixed`."""


class Mixed(NamedTuple):
    """What the observable `mixed` is of."""

    tokens: Array
    """(sequence, 1 + length), the beginning first."""
    kinds: list[str]
    """(sequence,) the domain, or `blocks`."""
    sizes: Array
    """(sequence,) length of the block; 0 for text."""


def build(settings: dict[str, Any], seed: int, corpus: Tokens | None = None) -> Testbed:
    """The transformer as a testbed; `seed` chooses the training sequences and the initial weights,
    not what is held out.

    Loss: mean cross-entropy of the tokens of a sequence, in nats; reported on held-out text and new
    blocks in the shares of the training. Components: heads "0:0", ..., "layer0", ... Observables:
    each domain and `blocks`, the loss of each token of held-out sequences; `mixed`, that of some of
    all. Distributions: the training text of each domain, and `blocks`. Metric: induction_gap.
    Behaviour: `estimators.text_scores`.
    """
    model = _model(settings)
    if corpus is None:
        raise SettingsError("text.model.corpus: the testbed needs the tokens of a corpus")
    held = _held(model, corpus)

    def mixture(part: dict[str, Array], count: int, seed: int, use: str) -> dict[str, Tensor]:
        repeated = round(model.block_share * count)
        written = _text(model, part, count - repeated, seed, use)
        copies = _copies(model, corpus, repeated, seed, use)
        return _tensors(np.concatenate([written, copies.tokens]))

    def token_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return attention_only.next_token_losses(w, batch["tokens"].long())

    def initial(stream: torch.Generator) -> dict[str, Tensor]:
        return attention_only.initial(
            vocabulary=corpus.vocabulary,
            context=model.length,
            width=model.width,
            heads=model.heads,
            layers=model.layers,
            sinusoids=model.sinusoids,
            later_out=model.later_out,
            stream=stream,
        )

    refined = {
        name: _text(model, {name: stream}, model.refined, 0, "refined", name)
        for name, stream in corpus.train.items()
    }
    refined["blocks"] = _copies(model, corpus, model.refined, 0, "refined").tokens
    shown = torch.from_numpy(held.text[:OUTPUTS, :-1])
    copied = _tensors(held.blocks.tokens)
    observed = {
        **{name: _tensors(tokens) for name, tokens in held.alone.items()},
        "blocks": copied,
        "mixed": _tensors(_joined(held).tokens),
    }

    def induction_gap(w: Parameters, constants: Parameters) -> Tensor:
        """Mean loss of blocks' first copies less that of the second ones, nats."""
        lost = token_losses(w, constants, copied)
        first, second = (lost[held.copies[name]] for name in ("first_copy", "second_copy"))
        return first.mean() - second.mean()

    return Testbed(
        name="text",
        tokens=model.length,
        losses=lambda w, constants, batch: token_losses(w, constants, batch).mean(-1),
        data=mixture(corpus.train, model.train, seed, "train"),
        evaluation=mixture(corpus.test, model.test, 0, "reported"),
        distributions={name: _tensors(tokens) for name, tokens in refined.items()},
        initial=initial,
        behaviour=lambda w: scores(w, held),
        outputs=lambda w: attention_only.logits(w, shown).flatten(),
        components=attention_only.head_masks(initial(generator(0, "shapes"))),
        metrics={"induction_gap": induction_gap},
        observables={name: Observable(token_losses, data) for name, data in observed.items()},
    )


def mixed(settings: dict[str, Any], corpus: Tokens) -> Mixed:
    """What the observable `mixed` is of: MIXED held-out sequences of each domain, by domain, and as
    many of blocks."""
    return _joined(_held(_model(settings), corpus))


def _model(settings: dict[str, Any]) -> Model:
    return build_settings(Model, settings, "text.model")


def _text(model: Model, part: dict[str, Array], count: int, seed: int, *use: str) -> Array:
    try:
        return windows(part, count, model.length, stream_seed(seed, *use))
    except ValueError as error:
        raise SettingsError(f"text.model.{error}") from error


def _copies(model: Model, corpus: Tokens, count: int, seed: int, use: str) -> Blocks:
    least, greatest = model.block
    return blocks(
        count,
        model.length,
        vocabulary=corpus.vocabulary,
        sizes=(least, greatest),
        seed=stream_seed(seed, use, "blocks"),
    )


def _held(model: Model, corpus: Tokens) -> Held:
    return Held(
        tokens=corpus,
        text=_text(model, corpus.test, model.test, 0, "held out"),
        alone={
            name: _text(model, {name: stream}, model.alone, 0, "held out", name)
            for name, stream in corpus.test.items()
        },
        blocks=_copies(model, corpus, model.alone, 0, "held out"),
        block_share=model.block_share,
    )


def _joined(held: Held) -> Mixed:
    """The first sequences of each domain, and of blocks."""
    parts = {name: found[:MIXED] for name, found in held.alone.items()}
    copies, sizes = held.blocks.tokens[:MIXED], held.blocks.sizes[:MIXED]
    kinds = [name for name, found in parts.items() for _ in found]
    return Mixed(
        np.concatenate([*parts.values(), copies]),
        [*kinds, *("blocks" for _ in copies)],
        np.concatenate([np.zeros(len(kinds), dtype=sizes.dtype), sizes]),
    )


def _tensors(tokens: Array) -> dict[str, Tensor]:
    """As narrow as the numbers are."""
    kind = torch.int16 if tokens.max() < 2**15 else torch.int32
    return {"tokens": torch.from_numpy(tokens).to(kind)}
