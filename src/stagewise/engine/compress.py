"""How far the checkpoints of a run can be compressed: rises of the loss, and critical amounts."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stagewise.compression.factorization import Factorization
from stagewise.compression.noise import Noise
from stagewise.compression.pruning import Pruning
from stagewise.compression.quantization import Quantization, levels
from stagewise.compression.scheme import Scheme, matrices
from stagewise.compression.sweep import Sweep, sweep
from stagewise.compression.tables import critical_table, rise_table
from stagewise.engine.coded import COLUMNS, coded_rows
from stagewise.engine.compressions import DETERMINISTIC, Compressions, Way
from stagewise.engine.cost import CACHE, cost
from stagewise.engine.execution import multiplies
from stagewise.engine.flat import flatten
from stagewise.engine.pieces import piece_length, pieces
from stagewise.engine.program import Program
from stagewise.engine.scrambled import scrambled
from stagewise.progress import Report
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

Losses = Callable[[Mapping[str, Tensor]], Tensor]
"""Weights (model, ...) -> mean losses (model,)."""
AT_ONCE = 8
"""Large models that are made together."""


class Compressed(NamedTuple):
    """What `compress` gives."""

    rises: pd.DataFrame
    critical: pd.DataFrame
    coded: pd.DataFrame


def scheme_of(way: Way) -> Scheme:
    """The scheme that the settings name."""
    if way.scheme == "quantization":
        return Quantization(quantile=way.quantile, rows=way.rows)
    if way.scheme == "noise":
        return Noise(absolute=way.absolute)
    return Factorization() if way.scheme == "factorization" else Pruning()


def amounts_of(way: Way) -> list[float]:
    """Its amounts, falling."""
    if way.least is None:
        return levels(way.most, way.count)
    spaced = np.linspace if way.scheme in DETERMINISTIC else np.geomspace
    return [float(amount) for amount in spaced(way.most, way.least, way.count)]


def compress(
    testbed: Testbed,
    points: Points,
    settings: Compressions,
    *,
    seed: int,
    report: Report,
    memory: int,
) -> Compressed:
    """Three tables, each with the columns of the index.

    rises     one row per checkpoint, scheme and amount (`compression.tables.rise_table`), up to
              the amount where the rise passes the largest tolerance
    critical  one row per checkpoint, scheme and tolerance: the critical amount, the tolerance in
              nats, `relative_tolerance`, in the unit of the settings, and `norm` of the matrices
    coded     one row per checkpoint, quantizer and number of levels to be coded (`coded_rows`)

    Rises are of the mean loss on the data of reported losses, always the same. Draws are those of
    the seed, the same at every checkpoint and amount. Matrices alone are compressed; coordinates
    that a mask leaves out stay as they are. `memory` bounds the bytes that the operations of one
    call write.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device: cuda was asked for and torch finds no CUDA device here")
    places = points.places(settings.checkpoints)
    points = scrambled(points, settings.weights, seed=seed)
    testbed = testbed.on(settings.device)
    models = len(places) * sum(way.count * way.draws for way in settings.schemes.values())
    unit = 1.0
    if settings.tolerance_unit == "first":
        first = points.at(torch.tensor([0])).on(settings.device)
        losses, _ = _losses(testbed, first, settings.samples, memory, models)
        unit = float(losses(first.parameters)[0])
    tolerances = [unit * tolerance for tolerance in settings.tolerances]
    found: dict[tuple[int, str], Sweep] = {}
    norms: dict[int, float] = {}
    coded = [pd.DataFrame(columns=list(COLUMNS))]
    for count, place in enumerate(places.tolist()):
        point = points.at(torch.tensor([place])).on(settings.device)
        losses, at_once = _losses(testbed, point, settings.samples, memory, models)
        weights = {name: tensor[0] for name, tensor in point.parameters.items()}
        norms[place] = float(sum(t.square().sum() for t in matrices(weights).values())) ** 0.5
        for name, way in settings.schemes.items():
            found[place, name] = sweep(
                scheme_of(way).prepared(weights, draws=way.draws, seed=seed),
                losses,
                amounts_of(way),
                limit=max(tolerances),
                at_once=at_once,
            )
            scheme = scheme_of(way)
            if settings.coded and isinstance(scheme, Quantization):
                rows = coded_rows(weights, scheme, settings.coded, losses, seed=seed)
                coded.append(rows.assign(checkpoint=place, scheme=name))
        report(count + 1, "")
    index = points.index.drop(columns=["checkpoint", "loss"], errors="ignore")
    rises, critical = rise_table(found), critical_table(found, tolerances)
    relative = dict(zip(tolerances, settings.tolerances, strict=True))
    critical["relative_tolerance"] = critical["tolerance"].map(relative)
    critical["loss"] = [
        found[key].loss for key in zip(critical.checkpoint, critical.scheme, strict=True)
    ]
    critical["norm"] = critical["checkpoint"].map(norms)
    return Compressed(
        *(
            table.join(index, on="checkpoint")
            for table in (rises, critical, pd.concat(coded, ignore_index=True))
        )
    )


def _losses(
    testbed: Testbed, point: Points, samples: int | None, memory: int, models: int
) -> tuple[Losses, int]:
    """The loss of models with the constants and masks of one checkpoint, and how many it should
    be given at once. Of so many `models` in all, it tells whether our own kernels repay."""
    data = {name: tensor[:samples] for name, tensor in testbed.reported.items()}
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in point.parameters.items()}
    losses = testbed.losses if testbed.divisible else testbed.whole_losses
    program = Program(losses, shapes, point.constants, rows=1)
    one = flatten(point.parameters, shapes)

    def written(batch: Mapping[str, Tensor]) -> Tensor:
        return program.loss(one, batch)

    whole = cost(lambda: written(data))
    at_once = max(1, memory // max(1, whole.written))
    parts = (
        pieces(data, piece_length(written, data, memory)) if testbed.divisible else [(1.0, data)]
    )
    if whole.written > CACHE:
        # models by turns: side by side they would only fetch each other from memory
        own = multiplies("auto", steps=models, cost=whole)
        program = Program(losses, shapes, point.constants, rows=1, alone=True, own=own)
        at_once = min(at_once, AT_ONCE)

    def mean(models: Mapping[str, Tensor]) -> Tensor:
        kept = {
            name: torch.where(point.masks[name], tensor, point.parameters[name])
            if name in point.masks
            else tensor
            for name, tensor in models.items()
        }
        position = flatten(kept, shapes)
        return torch.stack([share * program.loss(position, part) for share, part in parts]).sum(0)

    return mean, at_once
