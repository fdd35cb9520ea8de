"""Attention-only transformers that learn a language of known classes and exact entropies."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stagewise.data.synthetic_language import (
    SOURCES,
    Grammar,
    Language,
    Text,
    language,
    sequences,
)
from stagewise.estimators.language_scores import scores
from stagewise.models import attention_only
from stagewise.seeds import generator, stream_seed
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed


@dataclass(frozen=True)
class Model:
    """The language, how much of it there is, and the network."""

    grammar: Grammar = field(default_factory=Grammar)
    tables: int = 0
    """Seed of the language's tables: one language for all models."""
    length: int = 64
    """Tokens of a sequence after its beginning."""
    train: int = 65536
    """Sequences to train on and to sample with."""
    test: int = 256
    """Held-out sequences that losses are reported on."""
    alone: int = 128
    """Held-out sequences of each source, for scores."""
    refined: int = 4096
    """Sequences of each source alone, the data of data-refined posteriors."""
    width: int = 64
    heads: int = 4
    """In every layer."""
    layers: int = 2
    sinusoids: bool = True
    """Whether positions start as sines and cosines, or else as normal numbers."""
    later_out: float = 0.05
    """Factor on the initial output weights of all layers but the first."""


OUTPUTS = 16
"""Sequences that the outputs of a model are recorded on."""


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The transformer as a testbed; `seed` chooses the training data and the initial weights.

    Loss: mean cross-entropy of the tokens of a sequence, in nats. Components: heads "0:0", ...,
    "layer0", ..., pairs "0:0+1:0", ... Observables: each source, the loss of each
    token of held-out sequences. Distributions: each source alone. Behaviour:
    `estimators.language_scores`.
    """
    model = build_settings(Model, settings, "synthetic_language.model")
    known = language(model.grammar, model.tables)
    train = sequences(known, model.train, model.length, stream_seed(seed, "train"))
    test = sequences(known, model.test, model.length, stream_seed(model.tables, "test"))
    tested = {name: _alone(known, model, name, "alone", model.alone) for name in SOURCES}

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return attention_only.next_token_losses(w, batch["tokens"].long()).mean(-1)

    def token_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return attention_only.next_token_losses(w, batch["tokens"].long())

    def initial(stream: torch.Generator) -> dict[str, Tensor]:
        return attention_only.initial(
            vocabulary=model.grammar.vocabulary,
            context=model.length,
            width=model.width,
            heads=model.heads,
            layers=model.layers,
            sinusoids=model.sinusoids,
            later_out=model.later_out,
            stream=stream,
        )

    shapes = initial(generator(0, "shapes"))
    shown = torch.from_numpy(test.tokens[:OUTPUTS]).long()
    return Testbed(
        name="synthetic_language",
        losses=losses,
        data=_tokens(train),
        evaluation=_tokens(test),
        tokens=model.length,
        distributions={
            name: _tokens(_alone(known, model, name, "refined", model.refined)) for name in SOURCES
        },
        initial=initial,
        behaviour=lambda w: scores(w, known, test, tested),
        outputs=lambda w: attention_only.logits(w, shown[:, :-1]).flatten(),
        components=attention_only.head_masks(shapes) | attention_only.pair_masks(shapes),
        observables={name: Observable(token_losses, _tokens(tested[name])) for name in SOURCES},
    )


def _alone(known: Language, model: Model, source: str, use: str, count: int | None = None) -> Text:
    """Sequences of one source."""
    seed = stream_seed(model.tables, use, source)
    return sequences(known, count or model.test // 4, model.length, seed, source)


def _tokens(text: Text) -> dict[str, Tensor]:
    return {"tokens": torch.from_numpy(text.tokens).to(torch.int16)}
