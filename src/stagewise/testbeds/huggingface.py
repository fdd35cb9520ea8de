"""A model of your own: any causal language model of transformers, from the hub or a folder."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stagewise.data.sequences import cut, split
from stagewise.hub import fetched
from stagewise.models import causal_lm
from stagewise.models.causal_lm_parts import components
from stagewise.pretrained import (
    described,
    module_of,
    own_files,
    revision_folder,
    tokenizer_of,
    weights_digest,
)
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Points, Testbed

log = logging.getLogger("stagewise")

STEP = re.compile(r"(?:step|checkpoint)[-_]?(\d+)$")
"""Names of revisions that tell the step of training: step1000, checkpoint-500."""


@dataclass(frozen=True)
class Model:
    """Where the model is, and the text its loss is taken on."""

    name: str | None = None
    """On the hub, as owner/name; or else"""
    folder: str | None = None
    """as save_pretrained writes it: config.json, *.safetensors, and a tokenizer."""
    revisions: list[str] = field(default_factory=list)
    """Branches, tags or commits on the hub, or subfolders of the folder, one checkpoint each; by
    default the branch main, or the folder itself. A branch can move: name a commit to pin it."""
    text: str | None = None
    """A file of text (UTF-8), which the model's own tokenizer turns into tokens; or else"""
    corpus: str | None = None
    """a section of `corpora`, whose documents the workflow gives as such a file; or else"""
    tokens: str | None = None
    """a file of numpy (.npy) with whole numbers (sequence, place)."""
    context: int = 128
    """Tokens of a sequence; each but the first is predicted."""
    sequences: int = 512
    """Sequences that the posterior is of, drawn from the text by the seed: its n."""
    held_out: int = 0
    """Further sequences, for the observable of that name."""
    evaluation: int = 32
    """Of the sequences, those that the loss at a checkpoint, its curvature and the rise of the
    loss under the tether are taken on."""

    def __post_init__(self) -> None:
        if (self.name is None) == (self.folder is None):
            raise ValueError("name: give either the name on the hub or a folder")
        if (self.text is None) == (self.tokens is None):
            raise ValueError("text: give either a file of text, a file of tokens or a corpus")
        if len(set(self.revisions)) < len(self.revisions):
            raise ValueError(f"revisions: must differ, got {self.revisions}")
        if self.context < 2:
            raise ValueError(f"context: must be at least 2, got {self.context}")
        if self.sequences < 2:
            raise ValueError(f"sequences: must be at least 2, got {self.sequences}")
        if self.held_out < 0:
            raise ValueError(f"held_out: must not be negative, got {self.held_out}")
        if self.evaluation < 1:
            raise ValueError(f"evaluation: must be at least 1, got {self.evaluation}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The model as a testbed with its revisions as points; `seed` chooses the sequences.

    Loss: mean cross-entropy of a sequence's next tokens, in nats. Index columns: model, revision,
    step (of a revision called step<k> or checkpoint-<k>, where all are; else its place in the
    list) and commit (of the hub, or a digest of the folder's weights). Components: those of
    `models.causal_lm_parts`. Observables: train and held_out, the loss of each sequence, and
    train_tokens and held_out_tokens, of each of their tokens.

    Raises SettingsError for settings that do not fit the model or its text, and ArtifactError for
    a folder or file that cannot be used.
    """
    model = build_settings(Model, settings, "huggingface.model")
    own_files(settings)  # names what is not there
    sources = [_located(model, name) for name in model.revisions or [_default(model)]]
    module = module_of(sources[0].folder)
    try:
        causal_lm.check_mapped(module)
    except ValueError as error:
        raise SettingsError(f"model: {error}") from error
    data, held_out = _sequences(model, module, sources[0].folder, seed)
    of_tokens = causal_lm.next_token_losses(module)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return of_tokens(w, batch["tokens"]).mean(1)

    def token_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return of_tokens(w, batch["tokens"])

    recorded = {"train": data} | ({"held_out": held_out} if model.held_out else {})
    observables = {name: Observable(losses, {"tokens": x}) for name, x in recorded.items()}
    observables |= {
        f"{name}_tokens": Observable(token_losses, {"tokens": x}) for name, x in recorded.items()
    }
    return Testbed(
        name="huggingface",
        losses=losses,
        data={"tokens": data},
        evaluation={"tokens": data[: model.evaluation]},
        points=cache(lambda: _points(model, sources, causal_lm.weights(module))),
        components=components(module),
        observables=observables,
    )


@dataclass(frozen=True)
class Source:
    """One revision, in a folder of this machine."""

    revision: str
    folder: Path
    commit: str


def _default(model: Model) -> str:
    return "main" if model.folder is None else "."


def _located(model: Model, revision: str) -> Source:
    if model.folder is not None:
        folder = revision_folder(Path(model.folder), revision)
        return Source(revision, folder, f"sha256:{weights_digest(folder)}")
    folder, commit = fetched(str(model.name), revision)
    return Source(revision, folder, commit)


def _points(model: Model, sources: list[Source], first: dict[str, Tensor]) -> Points:
    """The revisions, stacked; `first` are the weights of the first."""
    found = [first]
    for source in sources[1:]:
        _check_alike(sources[0], source)
        found.append(causal_lm.weights(module_of(source.folder)))
        for earlier, weights in zip(sources, found[:-1], strict=False):
            if all(found[-1][name].equal(tensor) for name, tensor in weights.items()):
                log.warning("%s and %s are the same weights", earlier.revision, source.revision)
    steps = [STEP.match(source.revision) for source in sources]
    index = pd.DataFrame(
        {
            "model": model.name or model.folder,
            "revision": [source.revision for source in sources],
            "step": [int(step[1]) for step in steps if step]
            if all(steps)
            else list(range(len(sources))),
            "commit": [source.commit for source in sources],
        }
    )
    return Points({name: torch.stack([w[name] for w in found]) for name in first}, index)


def _check_alike(one: Source, other: Source) -> None:
    """Raises SettingsError for revisions of different models."""
    here, there = described(one.folder), described(other.folder)
    differ = sorted(key for key in here | there if here.get(key) != there.get(key))
    if differ:
        raise SettingsError(
            f"model.revisions: {one.revision} and {other.revision} are different models: their "
            f"config.json differ in {', '.join(differ)}"
        )


def _sequences(model: Model, module: Any, folder: Path, seed: int) -> tuple[Tensor, Tensor]:
    """(sequences, context) and (held_out, context)."""
    places = getattr(module.config, "max_position_embeddings", None)
    if places is not None and model.context > places:
        raise SettingsError(
            f"model.context: {model.context} tokens are more than the {places} positions of the "
            f"model"
        )
    key = "tokens" if model.text is None else "text"
    path = Path(str(model.tokens if model.text is None else model.text))
    read = _of_tokens if model.text is None else _of_text
    found = read(path, model, folder)
    known = module.get_input_embeddings().weight.shape[0]
    if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < known:
        raise SettingsError(
            f"model.{key}: {path} gives tokens from {int(found.min())} to {int(found.max())}, the "
            f"model knows 0 to {known - 1}"
        )
    wanted = model.sequences + model.held_out
    if len(found) < wanted:
        raise SettingsError(
            f"model.{key}: {path} gives {len(found)} sequences of {model.context} tokens, and "
            f"sequences + held_out are {wanted}: give a longer one, or ask for fewer or shorter"
        )
    train, held_out = split(
        found, model.sequences, model.held_out, stream=generator(seed, "sequences")
    )
    return train, held_out


def _of_text(path: Path, model: Model, folder: Path) -> Tensor:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"model.text: {path} is not text in UTF-8 ({error.reason})") from error
    tokenizer = tokenizer_of([folder, *_parents(model)])
    start = tokenizer("")["input_ids"][:1]  # what the model has seen at the start of a text, if any
    start = [token for token in start if token == tokenizer.bos_token_id]
    tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return cut(tokens, context=model.context, start=start)


def _parents(model: Model) -> Iterator[Path]:
    """Where a tokenizer that all revisions share would be."""
    if model.folder is not None:
        yield Path(model.folder)


def _of_tokens(path: Path, model: Model, folder: Path) -> Tensor:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SettingsError(f"model.tokens: {path} is not a file of numpy ({error})") from error
    if found.ndim != 2 or found.dtype.kind not in "iu" or found.shape[1] < model.context:
        raise SettingsError(
            f"model.tokens: {path} must hold whole numbers (sequence, at least {model.context} "
            f"places), not {found.dtype} {found.shape}"
        )
    return torch.from_numpy(found[:, : model.context].astype(np.int64))
