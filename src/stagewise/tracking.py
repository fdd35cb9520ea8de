"""Which code a step runs, as text that changes exactly when the code does.

A rule lists this among its `params`, so Snakemake reruns a step when a module it reaches changes
and names the file in the reason. The digest is of the parsed code: comments, layout and
docstrings do not count, and neither do file times.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path


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


@cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """Digest of a file's code, and the dotted names it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    code = ast.dump(_without_docstrings(tree))
    return hashlib.sha256(code.encode()).hexdigest()[:12], tuple(names)


def code_digest(path: Path) -> str:
    """Of the code in a file: 12 hexadecimal digits that comments, docstrings and layout leave."""
    return _parsed(path)[0]


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
    paths = reached(root / "src", root / "scripts" / script, modules)
    names = [(str(path.relative_to(root)), path) for path in paths if path.stat().st_size]
    return {name: f"{name} {code_digest(path)}" for name, path in names}
