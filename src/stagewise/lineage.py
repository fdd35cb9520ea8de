"""What a result was made from, followed through the records to the configuration."""

from base64 import urlsafe_b64encode
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
        if not self.path.is_file():
            return None
        found = self.path.stat()
        return _digest(self.path, found.st_size, found.st_mtime_ns)

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
    read_then: str
    """SHA-256 of what was read."""

    @property
    def state(self) -> str:
        """AS_MADE if it is what was read; else what happened to it."""
        if self.result.digest == self.read_then:
            return AS_MADE
        if self.result.state == AS_MADE:
            return MADE_AGAIN
        return EDITED if self.result.state == UNKNOWN else self.result.state


@cache
def _digest(path: Path, size: int, time: int) -> str:
    """A file that is changed has another size or time."""
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
    found = [Input(result(path), digest) for path, digest in listed.items()]
    return found + [Input(Result(path, None), digest) for path, digest in outside.items()]


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


def troubles(made: Result) -> dict[Path, str]:
    """Files at or below a result that are not what the records say -> what happened to them.

    Files below it that are no longer there are MISSING: they may have been temporary.
    """
    found: dict[Path, str] = {}
    for one in ancestry(made):
        if one.state != AS_MADE:
            found[one.path] = one.state
        for used in inputs(one):
            if used.state != AS_MADE:
                found.setdefault(used.result.path, used.state)
    return found


def total_seconds(made: Result) -> float:
    """What the result took, with everything that it rests on."""
    return sum(one.record["seconds"] for one in ancestry(made) if one.record)


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


def unknown_to_snakemake(results: Path, metadata: Path) -> bool:
    """Whether the folder holds results none of which Snakemake has a record of its own for: a
    folder that was moved or copied, or stands beside a fresh clone.

    metadata  Snakemake's folder of records, whose files are named by the results' paths
    """
    records = (results / FOLDER).glob("*.json")
    found = [results / place.stem for place in records if (results / place.stem).is_file()]
    names = [urlsafe_b64encode(str(path).encode()).decode() for path in found]
    return bool(names) and not any((metadata / name).is_file() for name in names)
