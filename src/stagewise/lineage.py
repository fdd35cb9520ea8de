"""What a result was made from, followed through the records to the configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest
from stagewise.provenance import FOLDER, read, results_of
from stagewise.tracking import code_digest

AS_MADE = "as it was made"
CHANGED = "changed by hand since it was made"
MISSING = "missing"
MADE_AGAIN = "made again since"
UNKNOWN = "no record"
EDITED = "edited since"


@dataclass(frozen=True)
class Result:
    """A file, with its record."""

    path: Path
    record: Mapping[str, Any] | None
    """As `provenance.leave` writes it; None for files that no step of the workflow made."""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the file as it is; None where there is none."""
        return _digest(self.path) if self.path.is_file() else None

    @property
    def state(self) -> str:
        """AS_MADE, CHANGED, MISSING or UNKNOWN."""
        if self.digest is None:
            return MISSING
        if self.record is None:
            return UNKNOWN
        return AS_MADE if self.digest == self.record["sha256"] else CHANGED

    @property
    def job(self) -> tuple[str, ...]:
        """The files of the job that made it."""
        if self.record is None:
            return (str(self.path),)
        return tuple(sorted([self.record["file"], *self.record["made_with"]]))


@dataclass(frozen=True)
class Input:
    """A file that a result was made from."""

    result: Result
    state: str
    """AS_MADE if it is what was read; else what happened to it."""


@cache
def _digest(path: Path) -> str:
    return file_digest(path)


def result(path: Path) -> Result:
    """The file with its record."""
    return Result(path, read(path))


def inputs(made: Result) -> list[Input]:
    """What the result was made from, in the rule's order of names."""
    results = results_of(made.path)
    if made.record is None or results is None:
        return []
    listed = {results / name: digest for name, digest in made.record["inputs"].items()}
    outside = {Path(name): digest for name, digest in made.record["outside"].items()}
    found = [_input(result(path), digest) for path, digest in listed.items()]
    return found + [_input(Result(path, None), digest) for path, digest in outside.items()]


def _input(found: Result, read_then: str) -> Input:
    if found.digest == read_then:
        return Input(found, AS_MADE)
    if found.state == AS_MADE:
        return Input(found, MADE_AGAIN)
    return Input(found, EDITED if found.state == UNKNOWN else found.state)


def ancestry(made: Result) -> list[Result]:
    """The result and everything below it that has a record, one for each job."""
    found: dict[tuple[str, ...], Result] = {}
    todo = [made]
    while todo:
        here = todo.pop()
        if here.record is None or here.job in found:
            continue
        found[here.job] = here
        todo += [one.result for one in inputs(here)]
    return list(found.values())


def troubles(made: Result) -> list[str]:
    """Files at or below a result that are not what the records say, with what happened to them."""
    found = {}
    for one in ancestry(made):
        if one.state != AS_MADE:
            found[one.path] = one.state
        for read_then in inputs(one):
            if read_then.state != AS_MADE:
                found.setdefault(read_then.result.path, read_then.state)
    return [f"{path}: {state}" for path, state in found.items()]


def changed_code(made: Result, root: Path) -> list[str]:
    """Files of the library, below `root`, whose code is not what made the result."""
    found = []
    for name, digest in (made.record or {}).get("modules", {}).items():
        path = root / name
        if not path.is_file():
            found.append(f"{name} (no longer there)")
        elif code_digest(path) != digest:
            found.append(name)
    return found


def copies(path: Path, results: Path) -> Iterator[str]:
    """Results below the folder that are the same bytes as a file."""
    own = file_digest(path)
    for place in sorted((results / FOLDER).rglob("*.json")):
        name = place.relative_to(results / FOLDER).with_suffix("")
        try:
            record = read(results / name)
        except ArtifactError:
            continue
        if record and record["sha256"] == own:
            yield str(results / name)
