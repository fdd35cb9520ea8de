"""Trajectories on disk: stacked checkpoints of a run in one safetensors file.

Tensors are stored as `parameters.<name>`, `constants.<name>` and `masks.<name>`, all with the
checkpoint as first axis; the table that describes the checkpoints is JSON in the metadata.
Loading reads tensors and JSON and cannot execute code.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stagewise.artifacts import ArtifactError, written_whole
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

FORMAT = "stagewise-trajectory-1"


def save(path: str | Path, points: Points, *, testbed: str, provenance: Mapping[str, Any]) -> None:
    """Writes `points` of the named testbed, whole or not at all."""
    tensors = {
        f"{group}.{name}": tensor.contiguous()
        for group in ("parameters", "constants", "masks")
        for name, tensor in getattr(points, group).items()
    }
    metadata = {
        "format": FORMAT,
        "testbed": testbed,
        "index": points.index.to_json(orient="table", index=False, double_precision=15),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load(path: str | Path, *, testbed: str) -> Points:
    """The points of a trajectory file, checked to be whole and of the named testbed.

    Raises ArtifactError, naming the file, if it is missing, truncated, not a trajectory, of
    another testbed, or holds weights that are not finite.
    """
    path = Path(path)
    remedy = f"Delete {path} and run snakemake again to rebuild it."
    if not path.is_file():
        raise ArtifactError(f"no checkpoint file {path}. Run snakemake {path} to make it.")
    groups: dict[str, dict[str, torch.Tensor]] = {"parameters": {}, "constants": {}, "masks": {}}
    metadata: dict[str, str] = {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ArtifactError(
                    f"{path} is not a trajectory of this version: format "
                    f"{metadata.get('format')!r}, expected {FORMAT!r}. {remedy}"
                )
            for key in file.keys():  # noqa: SIM118 - safe_open is not a mapping
                group, _, name = key.partition(".")
                groups[group][name] = file.get_tensor(key)
        index = pd.read_json(io.StringIO(metadata["index"]), orient="table", precise_float=True)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} is not a whole safetensors file ({error}). {remedy}"
        ) from error
    if metadata.get("testbed") != testbed:
        raise ArtifactError(
            f"{path} holds weights of testbed {metadata.get('testbed')!r}, not {testbed!r}."
        )
    for group, name, tensor in [(g, n, t) for g in groups for n, t in groups[g].items()]:
        if len(tensor) != len(index):
            raise ArtifactError(
                f"{path}: {group}.{name} has {len(tensor)} checkpoints, "
                f"the index has {len(index)}. {remedy}"
            )
    for name, tensor in groups["parameters"].items():
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).flatten(1).any(1).nonzero()[0])
            raise ArtifactError(
                f"{path}: parameters.{name} is not finite at checkpoint {bad}. {remedy}"
            )
    return Points(groups["parameters"], index, groups["constants"], groups["masks"])


def points_of(testbed: Testbed, path: str | Path | None) -> Points:
    """The checkpoints of a trained run, or, without a file, the points the testbed knows.

    Raises ArtifactError for a file that is not whole or does not fit the testbed, SettingsError
    for a testbed that knows no points.
    """
    if path:
        found = load(path, testbed=testbed.name)
        check_shapes(found, testbed, path)
        return found
    if testbed.points is None:
        raise SettingsError(
            f"training: {testbed.name} has no known points with this `model`, so it must be trained"
        )
    return testbed.points()


def started(testbed: Testbed, path: str | Path | None) -> Testbed:
    """The testbed with the weights of the trajectory's last step in the place of fresh ones, for
    every model alike; without a file as it is.

    Raises ArtifactError for a file that is not whole or does not fit the testbed.
    """
    if not path:
        return testbed
    points = points_of(testbed, path)
    last = int(points.index["step"].to_numpy().argmax())
    weights = {name: tensor[last] for name, tensor in points.parameters.items()}
    return replace(testbed, initial=lambda stream: dict(weights))


def check_shapes(points: Points, testbed: Testbed, path: str | Path) -> None:
    """Raises ArtifactError unless the parameters fit the testbed's own names and shapes."""
    if testbed.initial is None:
        raise ArtifactError(f"{path}: {testbed.name} with this `model` is not trained")
    model = testbed.initial(torch.Generator())
    expected = {name: tuple(tensor.shape) for name, tensor in model.items()}
    found = {name: tuple(tensor.shape[1:]) for name, tensor in points.parameters.items()}
    if found != expected:
        raise ArtifactError(
            f"{path}: weights of another model: found {found}, expected {expected}."
        )
