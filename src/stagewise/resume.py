"""Side files from which interrupted work goes on, with the same result as if undisturbed."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Generator, Tensor

from stagewise.artifacts import written_whole

log = logging.getLogger("stagewise")

EVERY = 15.0
"""Seconds between two saves."""


def fingerprint(*parts: Any) -> str:
    """A digest of everything the work depends on: only equal work may be continued."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class SideFile:
    """Saves tensors and counters of unfinished work beside its output, at most every EVERY s."""

    def __init__(self, path: str | Path, work: str) -> None:
        """`work` is the fingerprint of the work; a file of other work is ignored."""
        self._path, self._work = Path(path), work
        self._saved = time.monotonic()
        self._scratch: dict[Path, np.memmap[Any, np.dtype[np.float32]]] = {}

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and counters of the last save, or None if there is nothing to continue."""
        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("work") != self._work:
                    return None
                tensors = {name: file.get_tensor(name) for name in list(file.keys())}
                counters = json.loads(metadata["counters"])
        except (SafetensorError, OSError, KeyError, ValueError):
            return None
        places = [f"{name} {n}" for name, n in counters.items() if isinstance(n, int) and n]
        log.info("resumed at %s", ", ".join(places) or "the start")
        return tensors, counters

    def scratch(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array in a file beside this one, for results too large for memory.

        What earlier work left in it is kept, so that resumed work need not write it again; with
        none of the right size `load` finds nothing to continue.
        """
        path = self._path.with_name(f"{self._path.name}.{name}")
        whole = path.is_file() and path.stat().st_size == 4 * math.prod(shape)
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
        mode: Literal["r+", "w+"] = "r+" if whole else "w+"
        self._scratch[path] = np.memmap(path, dtype=np.float32, mode=mode, shape=shape)
        return self._scratch[path]

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= EVERY

    def save(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        """Replaces the file."""
        for array in self._scratch.values():
            array.flush()
        metadata = {"work": self._work, "counters": json.dumps(dict(counters))}
        with written_whole(self._path) as temporary:
            owned = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
            save_file(owned, temporary, metadata=metadata)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Deletes the file, and its scratch files: the work is finished."""
        for path in (self._path, *self._scratch):
            path.unlink(missing_ok=True)


def stream_states(streams: Sequence[Generator]) -> Tensor:
    """Positions of random streams as one tensor (stream, bytes)."""
    return torch.stack([stream.get_state() for stream in streams])


def restore_streams(streams: Sequence[Generator], states: Tensor) -> None:
    """Puts the streams where `stream_states` found them."""
    for stream, state in zip(streams, states, strict=True):
        stream.set_state(state.clone())
