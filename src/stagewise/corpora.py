"""Corpora on disk: documents in a parquet file, and a record of what they were made from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from stagewise.artifacts import ArtifactError, written_whole
from stagewise.data.corpus import Document

COLUMNS = ["domain", "name", "text", "held_out"]


def save_documents(path: str | Path, documents: Iterable[Document]) -> None:
    """Writes one row a document, whole or not at all."""
    table = pd.DataFrame([asdict(document) for document in documents], columns=COLUMNS)
    with written_whole(path) as temporary:
        table.to_parquet(temporary, index=False)


def load_documents(path: str | Path) -> list[Document]:
    """The documents; ArtifactError, naming the file, if it is missing, damaged or another's."""
    try:
        table = pd.read_parquet(path, columns=COLUMNS)
    except (OSError, ValueError) as error:  # pyarrow's errors are both of these
        raise ArtifactError(
            f"{path} is not a whole parquet file of documents ({error}). {_remedy(path)}"
        ) from error
    return [Document(*row) for row in table.itertuples(index=False, name=None)]


def counts(documents: Iterable[Document]) -> dict[str, dict[str, dict[str, int]]]:
    """domain -> train, test -> documents, characters"""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for document in documents:
        parts = found.setdefault(
            document.domain,
            {part: {"documents": 0, "characters": 0} for part in ("train", "test")},
        )
        part = parts["test" if document.held_out else "train"]
        part["documents"] += 1
        part["characters"] += len(document.text)
    return dict(sorted(found.items()))


def packages(documents: Iterable[Document]) -> dict[str, str]:
    """Version of every installed package that a document comes from."""
    return {
        name: version(name)
        for name in sorted({document.name.partition("/")[0] for document in documents})
    }


def save_record(path: str | Path, record: Mapping[str, Any]) -> None:
    """Writes what a corpus was made from and how large it is, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _remedy(path: str | Path) -> str:
    return f"Delete {path} and run snakemake again to rebuild it."
