"""Which code a step runs, as text that changes exactly when the code does.

A rule lists this among its `params`, so Snakemake reruns a step when a module it reaches changes
and names the file in the reason. The digest is of the parsed code: comments, layout and
docstrings do not count, and neither do file times.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest, written_whole

KEPT = ".snakemake/parsed.json"
"""What the source files came to, so that the next run parses only those that have changed."""


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ]
    return tree


_known: dict[str, list[Any]] = {}
"""What `_parsed` gives, by the digest of a file's bytes."""


@cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """Digest of a file's code, and the dotted names it imports."""
    content = path.read_bytes()
    key = hashlib.sha256(content).hexdigest()
    if key not in _known:
        _known[key] = list(_parse(content, path))
    code, names = _known[key]
    return code, tuple(names)


def _parse(content: bytes, path: Path) -> tuple[str, list[str]]:
    tree = ast.parse(content, filename=str(path))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    code = ast.dump(_without_docstrings(tree))
    return hashlib.sha256(code.encode()).hexdigest()[:12], names


@cache
def _maker() -> str:
    """What the outcome of parsing depends on beside the parsed file."""
    return f"{sys.version} {file_digest(__file__)}"


@cache
def _recall(file: Path) -> None:
    """Reads what earlier runs kept, if this Python and this module made it; once."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(file.read_bytes())
        if document["maker"] == _maker():
            _known.update(document["parsed"])


def _keep(file: Path) -> None:
    """Writes what is known, where Snakemake keeps its own records; elsewhere nothing."""
    if file.parent.is_dir():
        with suppress(ArtifactError), written_whole(file) as temporary:
            temporary.write_text(json.dumps({"maker": _maker(), "parsed": _known}))


def code_digest(path: Path) -> str:
    """Of the code in a file: 12 hexadecimal digits that comments, docstrings and layout leave."""
    return _parsed(path)[0]


@cache
def _module_file(source: Path, name: str) -> Path | None:
    stem = source.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def reached(source: Path, script: Path, modules: tuple[str, ...] = ()) -> list[Path]:
    """The script, and every file below `source` that it or `modules` reach by imports, sorted.

    Imports must be absolute. Modules imported by a name made at run time (a testbed, a sampler)
    are given in `modules`.
    """

    def files(names: tuple[str, ...]) -> Iterator[Path]:
        for name in names:
            path = _module_file(source, name)
            if path is not None:
                yield path

    for name in modules:
        if _module_file(source, name) is None:
            raise FileNotFoundError(f"there is no module {name} below {source}")
    found = {script}
    todo = [script, *files(modules)]
    while todo:
        path = todo.pop()
        found.add(path)
        todo.extend(p for p in files(_parsed(path)[1]) if p not in found)
    return sorted(found)


@cache
def code_of(root: Path, script: str, *modules: str) -> dict[str, str]:
    """path -> 'path digest' for each file that `script` (below root/scripts) and `modules` reach.

    Empty files are left out: they hold no code.
    """
    kept = root / KEPT
    _recall(kept)
    before = len(_known)
    paths = reached(root / "src", root / "scripts" / script, modules)
    names = [(str(path.relative_to(root)), path) for path in paths if path.stat().st_size]
    found = {name: f"{name} {code_digest(path)}" for name, path in names}
    if len(_known) > before:
        _keep(kept)
    return found
