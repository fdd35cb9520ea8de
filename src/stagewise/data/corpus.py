"""A corpus of the text that comes with the installed Python packages, by domain.

It needs no network and is the same wherever the same versions are installed: files are taken in
an order that hangs on their names alone, and a digest of everything taken tells whether it is.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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


def installed(
    found: Iterable[Distribution] | None = None, *, packages: Iterable[str] | None = None
) -> Iterator[tuple[str, Path]]:
    """(distribution/path, where it is) of every file of a domain, sorted by name.

    Of packages installed from files alone: what is edited in place is not the same tomorrow. With
    `packages` of those alone, so that another one beside them changes nothing.
    """
    listed = {}
    wanted = None if packages is None else {name.lower() for name in packages}
    for distribution in distributions() if found is None else found:
        package = distribution.name.lower()
        if distribution.read_text("direct_url.json") or (wanted and package not in wanted):
            continue
        for file in distribution.files or []:
            if domain_of(str(file)) and ".." not in file.parts:
                listed[f"{package}/{file.as_posix()}"] = Path(str(distribution.locate_file(file)))
    return iter(sorted(listed.items()))


class Collection:
    """Documents as they are offered: each text once, up to `most` characters a domain."""

    def __init__(self, domains: Iterable[str], *, most: int) -> None:
        self._most = most
        self._room = dict.fromkeys(domains, most)
        self._seen: set[str] = set()
        self._taken: list[Document] = []

    def wants(self, domain: str | None) -> bool:
        """Whether there is room for more of a domain; never of one that was not named."""
        return self._room.get(domain or "", 0) > 0

    def offer(self, domain: str, name: str, text: str) -> None:
        """Takes the text if there is room, its length is between LEAST and MOST, and no more than
        half of a domain, and it is new: two texts that differ in spaces, numbers or capitals only
        are one."""
        if not self.wants(domain) or not LEAST <= len(text) <= min(MOST, self._most // 2):
            return
        core = _digest(re.sub(r"[\s\d]+", "", text).lower())
        if core not in self._seen:
            self._seen.add(core)
            self._room[domain] -= len(text)
            self._taken.append(Document(domain, name, text, held_out=False))

    def documents(self, *, held_out: float) -> list[Document]:
        """What was taken, in the order of the offers.

        Of each domain whole documents are held out, in an order that hangs on digests of their
        names, as long as they make no more than the share `held_out` of its characters; if each
        would be more, the shortest. A domain's only document is not held out.
        """
        apart: set[str] = set()
        for domain in self._room:
            of_it = [document for document in self._taken if document.domain == domain]
            room = held_out * sum(len(document.text) for document in of_it)
            chosen = []
            for document in sorted(of_it, key=lambda one: _digest(f"held out {one.name}")):
                if len(document.text) <= room:
                    room -= len(document.text)
                    chosen.append(document.name)
            if not chosen and len(of_it) > 1 and held_out > 0:
                chosen = [min(of_it, key=lambda one: len(one.text)).name]
            apart.update(chosen)
        return [replace(one, held_out=one.name in apart) for one in self._taken]


def corpus(
    files: Iterable[tuple[str, Path]], *, most: int, held_out: float = 0.05
) -> list[Document]:
    """Documents of every domain, each once, up to `most` characters a domain.

    Which files are taken hangs on digests of their names: on no order of a directory.
    Raises CorpusError if nothing is found.
    """
    taken = Collection(DOMAINS, most=most)
    for name, path in sorted(files, key=lambda file: _digest(file[0])):
        domain = domain_of(name)
        if domain is not None and taken.wants(domain):
            taken.offer(domain, name, _read(path))
    found = taken.documents(held_out=held_out)
    if not found:
        raise CorpusError(
            "the corpus is empty: no installed package has files of "
            f"{', '.join(sorted(DOMAINS))} of {LEAST} to {MOST} characters"
        )
    return found


def digest(documents: Iterable[Document]) -> str:
    """Of all names and texts: equal for equal corpora."""
    whole = hashlib.sha256()
    for document in documents:
        whole.update(f"{document.domain}\n{document.name}\n{_digest(document.text)}\n".encode())
    return whole.hexdigest()


def check(documents: Iterable[Document], expected: str, where: str) -> None:
    """Raises CorpusError if the corpus is not the one with the digest `expected`, which stands
    at `where` in the configuration."""
    found = digest(documents)
    if found != expected:
        raise CorpusError(
            f"{where}: the corpus has the digest {found}, not {expected}: its text is not that "
            f"which the digest was taken of. Install the locked environment (or take the revision "
            f"of then), or leave the digest out to take the corpus as it is"
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
