"""A corpus of the text that comes with the installed Python packages, by domain.

It needs no network and is the same wherever the same versions are installed: files are taken in
an order that hangs on their names alone, and a digest of everything taken tells whether it is.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

DOMAINS = {
    "code": (".py", ".pyi"),
    "prose": (".md", ".rst", ".txt"),
    "licences": (),  # by name, see `domain_of`
    "headers": (".h", ".hpp", ".cuh", ".c", ".cpp"),
    "data": (".json", ".toml", ".yaml", ".yml", ".cfg", ".ini"),
}
"""Domain -> endings of its files. The long descriptions of packages count as prose."""

LEGAL = ("license", "licence", "copying", "notice", "authors")
"""Beginnings of the names of files of licences."""
LEAST, MOST = 500, 200_000
"""Characters of a file: shorter ones say little, longer ones are tables or bundles."""


class CorpusError(ValueError):
    """There is no text to be had, or not the text that was recorded."""


@dataclass(frozen=True)
class Document:
    """One file."""

    domain: str
    name: str
    """distribution/path"""
    text: str
    held_out: bool
    """Whether it belongs to the test split."""


def domain_of(path: str) -> str | None:
    """The domain of a file by its name, or None for one that is left out."""
    name = Path(path).name.lower()
    if name.startswith(LEGAL):
        return "licences"
    if name == "metadata":
        return "prose"
    return next((d for d, ends in DOMAINS.items() if name.endswith(ends) and ends), None)


def installed(found: Iterable[Distribution] | None = None) -> Iterator[tuple[str, Path]]:
    """(distribution/path, where it is) of every file of a domain, sorted by name.

    Of packages installed from files alone: what is edited in place is not the same tomorrow.
    """
    listed = {}
    for distribution in distributions() if found is None else found:
        if distribution.read_text("direct_url.json"):
            continue
        package = distribution.name.lower()
        for file in distribution.files or []:
            if domain_of(str(file)) and ".." not in file.parts:
                listed[f"{package}/{file.as_posix()}"] = Path(str(distribution.locate_file(file)))
    return iter(sorted(listed.items()))


def corpus(
    files: Iterable[tuple[str, Path]], *, most: int, held_out: float = 0.05
) -> list[Document]:
    """Documents of every domain, each once, up to `most` characters a domain.

    Which files are taken, and which are held out, hangs on digests of their names: on no order of
    a directory. Two texts that differ in spaces, numbers or capitals only are one.
    Raises CorpusError if nothing is found.
    """
    taken: list[Document] = []
    seen: set[str] = set()
    room = dict.fromkeys(DOMAINS, most)
    for name, path in sorted(files, key=lambda file: _digest(file[0])):
        domain = domain_of(name)
        if domain is None or room[domain] <= 0:
            continue
        text = _read(path)
        if not LEAST <= len(text) <= MOST:
            continue
        core = _digest(re.sub(r"[\s\d]+", "", text).lower())
        if core in seen:
            continue
        seen.add(core)
        room[domain] -= len(text)
        out = int(_digest(name)[:8], 16) / 16**8 < held_out
        taken.append(Document(domain, name, text, out))
    if not taken:
        raise CorpusError(
            "the corpus is empty: no installed package has files of "
            f"{', '.join(sorted(DOMAINS))} of {LEAST} to {MOST} characters"
        )
    return taken


def digest(documents: Iterable[Document]) -> str:
    """Of all names and texts: equal for equal corpora."""
    whole = hashlib.sha256()
    for document in documents:
        whole.update(f"{document.domain}\n{document.name}\n{_digest(document.text)}\n".encode())
    return whole.hexdigest()


def check(documents: Iterable[Document], expected: str) -> None:
    """Raises CorpusError if the corpus is not the one with the digest `expected`."""
    found = digest(documents)
    if found != expected:
        raise CorpusError(
            f"the corpus has the digest {found[:16]}, expected {expected[:16]}: the installed "
            f"packages are not those it was made from. Install the locked environment, or leave "
            f"out the digest to take the corpus as it is"
        )


def _read(path: Path) -> str:
    """The text, or nothing for a file that is gone or is not text."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    if path.name == "METADATA":  # the headers are a form; what follows is the description
        text = text.partition("\n\n")[2]
    return "" if "\0" in text else text.replace("\r\n", "\n")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
