"""Text of data sets on the Hugging Face hub, or in folders, at pinned revisions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stagewise.data.corpus import Collection, Document
from stagewise.settings import SettingsError


@dataclass(frozen=True)
class Source:
    """One data set, and what is taken of it."""

    hub: str
    """Name on the hub, or a folder."""
    revision: str
    """The commit, 40 hexadecimal digits; a folder has none, whatever is written here."""
    domains: list[str]
    """Values of `column` to take; without a column one name, the domain of every row."""
    column: str | None = None
    """Column of the domain, with a dot for each level below it: meta.pile_set_name"""
    text: str = "text"
    """Column of the text."""
    split: str = "train"
    subset: str | None = None
    """The data set's configuration, where it has several."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError(f"revision: must be 40 hexadecimal digits, got {self.revision!r}")
        if not self.domains or (self.column is None and len(self.domains) > 1):
            raise ValueError("domains: must be one name, or values of a `column`")


def hub_corpus(
    sources: Sequence[Source], *, most: int, held_out: float, where: str
) -> list[Document]:
    """Documents of every domain, each once, up to `most` characters a domain, first rows first.

    Rows are streamed, no further than they are needed. `where` names the list of sources in the
    configuration. Raises SettingsError, naming the key, for a data set that cannot be loaded, a
    column that is not there or a domain without text.
    """
    names = [domain for source in sources for domain in source.domains]
    taken = Collection(names, most=most)
    for place, source in enumerate(sources):
        own = f"{where}.{place}"
        for number, row in enumerate(_rows(source, own)):
            if not any(map(taken.wants, source.domains)):
                break
            domain = (
                source.domains[0]
                if source.column is None
                else str(_value(row, source.column, f"{own}.column"))
            )
            if domain in source.domains:
                text = _value(row, source.text, f"{own}.text")
                if not isinstance(text, str):
                    raise SettingsError(
                        f"{own}.text: column {source.text!r} of {source.hub} is no text"
                    )
                taken.offer(domain, f"{source.hub}/{source.split}/{number}", text)
    found = taken.documents(held_out=held_out)
    for place, source in enumerate(sources):
        for domain in set(source.domains) - {document.domain for document in found}:
            raise SettingsError(f"{where}.{place}.domains: {source.hub} has no text of {domain!r}")
    return found


def _rows(source: Source, where: str) -> Iterator[Mapping[str, Any]]:
    from datasets import load_dataset

    try:
        yield from load_dataset(
            source.hub,
            source.subset,
            split=source.split,
            revision=source.revision,
            streaming=True,
        )
    except Exception as error:
        raise SettingsError(
            f"{where}.hub: {source.hub} at revision {source.revision}, split {source.split}, could "
            f"not be read ({type(error).__name__}: {error}). It needs the network, and the name "
            f"and the revision of a data set on the Hugging Face hub, or a folder"
        ) from error


def _value(row: Mapping[str, Any], column: str, where: str) -> Any:
    found: Any = row
    for part in column.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise SettingsError(f"{where}: no column {column!r}; there are {', '.join(row)}")
        found = found[part]
    return found
