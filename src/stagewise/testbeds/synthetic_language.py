"""Attention-only transformers that learn a language of known classes and exact entropies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stagewise.data.grammar import Grammar, Language, language
from stagewise.data.synthetic_language import CLASSES, Text, sequences
from stagewise.estimators.language_ablations import ablations
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
MIXED = 16
"""Sequences of each source in the observable `mixed`."""
TABLES = {"embedding": "embed", "unembedding": "unembed"}
"""Component -> the tensor that it is."""


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The transformer as a testbed; `seed` chooses the training data and the initial weights.

    Loss: mean cross-entropy of the tokens of a sequence, in nats. Components: heads "0:0", ...,
    "layer0", ..., pairs "0:0+1:0", ..., embedding and unembedding. Observables: each source, the
    loss of each token of held-out sequences; `mixed`, that of some of all sources. Distributions:
    each source alone. Metric: induction_gap. Behaviour: `estimators.language_scores`;
    ablations: `estimators.language_ablations`.
    """
    model = _model(settings)
    known = language(model.grammar, model.tables)
    train = sequences(known, model.train, model.length, stream_seed(seed, "train"))
    test = sequences(known, model.test, model.length, stream_seed(model.tables, "test"))
    spoken = model.grammar.sources
    tested = {name: _alone(known, model, name, "alone", model.alone) for name in spoken}

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

    def induction_gap(w: Parameters, constants: Parameters) -> Tensor:
        """Mean loss of blocks' first copies less that of the later ones, nats."""
        repeats = tested["repeats"]
        lost = token_losses(w, constants, _tokens(repeats))
        first, again = (of_class(repeats, name) for name in ("first copy", "repeated"))
        return lost[first].mean() - lost[again].mean()

    shapes = initial(generator(0, "shapes"))
    shown = torch.from_numpy(test.tokens[:OUTPUTS]).long()
    return Testbed(
        name="synthetic_language",
        losses=losses,
        data=_tokens(train),
        evaluation=_tokens(test),
        tokens=model.length,
        distributions={
            name: _tokens(_alone(known, model, name, "refined", model.refined)) for name in spoken
        },
        initial=initial,
        behaviour=lambda w: scores(w, known, test, tested),
        ablations=lambda w: ablations(w, test, tested),
        outputs=lambda w: attention_only.logits(w, shown[:, :-1]).flatten(),
        components={
            **attention_only.head_masks(shapes),
            **attention_only.pair_masks(shapes),
            **{
                component: {name: torch.ones_like(shapes[name], dtype=torch.bool)}
                for component, name in TABLES.items()
            },
        },
        metrics={"induction_gap": induction_gap},
        observables={
            name: Observable(token_losses, _tokens(text))
            for name, text in {**tested, "mixed": _joined(tested)}.items()
        },
    )


def mixed(settings: dict[str, Any]) -> Text:
    """What the observable `mixed` is of: MIXED held-out sequences of each source, by source."""
    model = _model(settings)
    known = language(model.grammar, model.tables)
    spoken = model.grammar.sources
    return _joined({name: _alone(known, model, name, "alone", model.alone) for name in spoken})


def of_class(text: Text, name: str) -> Tensor:
    """(sequence, length) whether a token is of that class."""
    return torch.from_numpy(text.classes == CLASSES.index(name))


def _model(settings: dict[str, Any]) -> Model:
    return build_settings(Model, settings, "synthetic_language.model")


def _joined(tested: Mapping[str, Text]) -> Text:
    """The first sequences of each source."""
    return Text(
        *(
            np.concatenate([part[:MIXED] for part in parts])
            for parts in zip(*tested.values(), strict=True)
        )
    )


def _alone(known: Language, model: Model, source: str, use: str, count: int | None = None) -> Text:
    """Sequences of one source."""
    seed = stream_seed(model.tables, use, source)
    return sequences(known, count or model.test // 4, model.length, seed, source)


def _tokens(text: Text) -> dict[str, Tensor]:
    return {"tokens": torch.from_numpy(text.tokens).to(torch.int16)}
