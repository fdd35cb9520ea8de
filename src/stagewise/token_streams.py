"""Corpora as tokens on disk: the streams of all domains in one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stagewise.artifacts import ArtifactError, written_whole
from stagewise.data.tokens import Tokens

FORMAT = "stagewise-tokens-1"


def save(path: str | Path, tokens: Tokens, provenance: Mapping[str, Any]) -> None:
    """Writes the streams, whole or not at all, as tensors train.<domain> and test.<domain>."""
    tensors = {
        f"{part}.{domain}": stream
        for part, streams in (("train", tokens.train), ("test", tokens.test))
        for domain, stream in streams.items()
    }
    metadata = {
        "format": FORMAT,
        "vocabulary": str(tokens.vocabulary),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load(path: str | Path) -> Tokens:
    """The streams; ArtifactError, naming the file, if it is missing, damaged or another's."""
    remedy = f"Delete {path} and run snakemake again to rebuild it."
    streams: dict[str, dict[str, Any]] = {"train": {}, "test": {}}
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ArtifactError(
                    f"{path} holds no tokens of this version: format {metadata.get('format')!r}, "
                    f"expected {FORMAT!r}. {remedy}"
                )
            for key in sorted(file.keys()):
                part, _, domain = key.partition(".")
                streams[part][domain] = file.get_tensor(key)
            vocabulary = int(metadata["vocabulary"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} is not a whole safetensors file ({error}). {remedy}"
        ) from error
    for part, domain, stream in [(p, d, s) for p in streams for d, s in streams[p].items()]:
        if stream.max(initial=0) >= vocabulary:
            raise ArtifactError(
                f"{path}: {part}.{domain} has the token {stream.max()}, which a vocabulary of "
                f"{vocabulary} does not have. {remedy}"
            )
    return Tokens(vocabulary, **streams)


def vocabulary(path: str | Path) -> list[str]:
    """The text of every token of a tokenizer's file; ArtifactError if it is none. Bytes that are no
    text alone have the sign of replacement."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise ArtifactError(
            f"{path} is no tokenizer ({error}). Delete it and run snakemake again to rebuild it."
        ) from error
    count = tokenizer.get_vocab_size()
    return [tokenizer.decode([token], skip_special_tokens=False) for token in range(count)]
