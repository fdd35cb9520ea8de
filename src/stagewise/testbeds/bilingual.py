"""Attention-only transformers that learn a corpus in which every content word has a translation."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from stagewise.data.bilingual import Languages, bilingual
from stagewise.models import attention_only
from stagewise.seeds import stream_seed
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed


@dataclass(frozen=True)
class Model:
    """The corpus and the network."""

    languages: Languages = field(default_factory=Languages)
    tables: int = 0
    """Seed of the chains of concepts: one corpus for all models."""
    words: int = 12
    """Content words of a sequence."""
    train: int = 16384
    """Sequences to train on and to sample with."""
    test: int = 128
    """Held-out sequences that losses are reported on and observed."""
    width: int = 16
    heads: int = 4
    """In every layer."""
    layers: int = 1


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The transformer as a testbed; `seed` chooses the training data and the initial weights.

    Loss: mean cross-entropy of the tokens of a sequence, in nats. Observable: text, the loss of
    each token of the held-out sequences, whose tokens are its data.
    """
    model = build_settings(Model, settings, "bilingual.model")

    def sequences(count: int, of: int, use: str) -> dict[str, Tensor]:
        found = bilingual(
            model.languages, count, model.words, tables=model.tables, seed=stream_seed(of, use)
        )
        return {"tokens": torch.from_numpy(found)}

    def token_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return attention_only.next_token_losses(w, batch["tokens"])

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return token_losses(w, constants, batch).mean(-1)

    def initial(stream: Generator) -> dict[str, Tensor]:
        return attention_only.initial(
            vocabulary=model.languages.vocabulary,
            context=2 * model.words,
            width=model.width,
            heads=model.heads,
            layers=model.layers,
            sinusoids=True,
            stream=stream,
        )

    held_out = sequences(model.test, model.tables, "test")
    return Testbed(
        name="bilingual",
        losses=losses,
        data=sequences(model.train, seed, "train"),
        evaluation=held_out,
        tokens=2 * model.words,
        initial=initial,
        observables={"text": Observable(token_losses, held_out)},
    )
