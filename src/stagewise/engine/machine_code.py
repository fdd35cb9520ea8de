"""C++ of our own as machine code: compiled once for a processor, kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

NATIVE = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
FUSED = ("-ffp-contract=fast", "--param=avoid-fma-max-bits=0")
"""A multiplication and an addition are one instruction: always, so that a number does not depend on
which loop it is made in (GCC by default leaves them apart where it expects to wait for them)."""
QUIET = ("-fno-math-errno", "-fno-trapping-math")
"""Nothing asks what went wrong in a square root; only so can loops with one be made of vectors."""
FLAGS = ("-O3", NATIVE, "-std=c++17", "-shared", "-fPIC", *FUSED, *QUIET)
PARALLEL = () if sys.platform == "darwin" else ("-fopenmp",)
"""Several threads, where compilers come with them."""


Report = Callable[[Any, Sequence[Tensor], Sequence[Any]], None]
"""Is told of a call: the function, its tensors, and its other arguments."""
_report: ContextVar[Report | None] = ContextVar("report", default=None)


class CompileError(RuntimeError):
    """There is no C++ compiler, or it fails."""


def compiler() -> str | None:
    """The C++ compiler that would be used, or None if there is none."""
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))


def uncompiled(error: Exception) -> str:
    """That something cannot be compiled, and why, in a line."""
    return f"cannot compile ({type(error).__name__}: {str(error).strip().split(chr(10))[0][:200]})"


@cache
def function(source: str, name: str, arguments: tuple[type[Any], ...]) -> Any:
    """The C function of that name in the C++ source, to be called with such arguments.

    Kept under $XDG_CACHE_HOME/stagewise (~/.cache/stagewise), by source, compiler and processor;
    in a temporary folder where that cannot be written to. CompileError where it cannot be made.
    """
    found = getattr(_library(source), name)
    found.argtypes, found.restype = list(arguments), None
    return found


def run(function: Any, tensors: Sequence[Tensor], *rest: Any) -> None:
    """Calls it with the addresses of the tensors, then the rest."""
    function(*(tensor.data_ptr() for tensor in tensors), *rest)
    report = _report.get()
    if report is not None:
        report(function, tensors, rest)


@contextmanager
def reported(to: Report) -> Iterator[None]:
    """In this context every `run` is told."""
    before = _report.set(to)
    try:
        yield
    finally:
        _report.reset(before)


@cache
def _library(source: str) -> ctypes.CDLL:
    program = compiler()
    if program is None:
        raise CompileError("no C++ compiler (CXX, or g++ on the path)")
    # what "native" stands for is part of what the compiler says when asked to explain itself
    told = _output([program, NATIVE, "-E", "-v", "-x", "c++", os.devnull])
    named = "\0".join([source, *FLAGS, *PARALLEL, program, told])
    name = f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.so"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(base) / "stagewise" / name
    try:
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with TemporaryDirectory(dir=kept.parent) as folder:
                _compile(program, source, Path(folder) / name).replace(kept)
        return ctypes.CDLL(str(kept))
    except OSError:
        with TemporaryDirectory() as folder:  # once loaded, the file can go
            return ctypes.CDLL(str(_compile(program, source, Path(folder) / name)))


def _compile(program: str, source: str, to: Path) -> Path:
    written = to.with_suffix(".cpp")
    written.write_text(source)
    _output([program, *FLAGS, *PARALLEL, "-o", str(to), str(written)])
    return to


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(f"{command[0]}: {(done.stderr or done.stdout).strip()[:500]}")
    return done.stdout + done.stderr
