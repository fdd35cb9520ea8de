"""The local posteriors of a set of checkpoints, ready to be sampled row by row."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from stagewise.engine import langevin
from stagewise.engine.cost import cost
from stagewise.engine.curvature import largest_curvature
from stagewise.engine.execution import Move, Rows
from stagewise.engine.flat import Shapes, flatten
from stagewise.engine.pieces import PIECE, piece_length
from stagewise.engine.program import Program
from stagewise.engine.restrictions import restrictions
from stagewise.engine.sampling import ALL, AUTO, Sampling
from stagewise.samplers.options import options
from stagewise.samplers.target import Info, Kernel, State, Target
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

log = logging.getLogger("stagewise")


@dataclass(frozen=True)
class Posteriors:
    """One tethered, tempered posterior for every checkpoint and sample size."""

    testbed: Testbed
    points: Points
    sampling: Sampling
    shapes: Shapes
    sizes: list[float]
    """Sample sizes n."""
    centres: Tensor
    """(checkpoint, d)"""
    components: list[str]
    """Names of the weight restrictions."""
    mask: Tensor
    """(checkpoint, component, d) 1 where the coordinate is sampled, 0 where it is held."""
    curvature: Tensor
    """(checkpoint, component) what `epsilon_unit: curvature` refers to; else not a number."""
    nbeta: Tensor
    """(n,)"""
    epsilon: Tensor
    """(checkpoint, component, n, step size); not a number for samplers without one."""
    options: Any
    """Settings that only this sampler has."""
    chains: range
    """Numbers of the chains of each."""

    @property
    def grid(self) -> Tensor:
        """All rows (row, 5): the places of checkpoint, component, n and step size, and chain."""
        numbers = torch.arange(self.chains.start, self.chains.stop)
        return torch.cartesian_prod(*map(torch.arange, self.epsilon.shape), numbers)

    def rows(self, grid: Tensor) -> dict[str, Tensor]:
        """What tells rows apart, for some rows of the grid.

        Tensors (row, ...): the fields of a target that have such a shape, and its constants, as
        "constants.<name>".
        """
        at, component, size, step = grid[:, :4].unbind(1)
        centre = self.centres[at]
        return {
            "centre": centre,
            "nbeta": self.nbeta[size][:, None],
            "localization": centre.new_full((len(grid), 1), self.sampling.localization),
            "epsilon": self.epsilon[at, component, size, step][:, None],
            "mask": self.mask[at, component],
            **{f"constants.{name}": t[at] for name, t in self.points.constants.items()},
        }

    @property
    def groups(self) -> list[tuple[Tensor, tuple[str, ...] | None]]:
        """The rows of the grid in groups of which the same parameters move: their numbers, and the
        names of those parameters, or None if all do. Gradients of the others are not needed."""
        sizes = [prod(shape) for shape in self.shapes.values()]
        moves = [piece.any(2) for piece in self.mask.bool().split(sizes, dim=2)]
        found: dict[tuple[str, ...], list[int]] = {}
        for number, (at, component) in enumerate(self.grid[:, :2].tolist()):
            names = tuple(
                n for n, m in zip(self.shapes, moves, strict=True) if bool(m[at, component])
            )
            found.setdefault(names, []).append(number)
        return [
            (torch.tensor(rows), None if len(names) == len(self.shapes) else names)
            for names, rows in found.items()
        ]

    def target(
        self,
        rows: Mapping[str, Tensor],
        moving: Collection[str] | None = None,
        *,
        alone: bool = False,
        own: bool = False,
        shares: int = 1,
        like: Program | None = None,
    ) -> tuple[Target, Program]:
        """What the rows sample from, and its program: a pure function of `rows`, of which only the
        parameters `moving` are sampled. `like` is a program of earlier rows, to go on with."""
        fields = {name: t for name, t in rows.items() if not name.startswith("constants.")}
        constants = {
            name.removeprefix("constants."): t for name, t in rows.items() if name not in fields
        }
        shared = self.sampling.batch is None
        losses = self.testbed.whole_losses if shared else self.testbed.losses
        program = like or Program(
            losses,
            self.shapes,
            {},
            rows=1,
            half=self.sampling.precision == "bfloat16",
            alone=alone,
            own=own,
            shares=shares,
        )
        program = program.over(constants, rows=len(fields["centre"]))
        target = Target(
            loss_and_gradient=lambda w, batch: program.loss_and_gradient(
                w, batch, shared=shared, moving=moving
            ),
            shapes=self.shapes,
            constants=constants,
            options=self.options,
            langevin=langevin.moved,
            **fields,
        )
        return target, program

    def move(
        self,
        kernel: Kernel,
        moving: Collection[str] | None = None,
        *,
        own: bool = False,
        shares: int = 1,
    ) -> Move:
        """One step of rows, of which the parameters `moving` are sampled (`own` and `shares`: see
        `Program`)."""
        data = self.testbed.data
        program: Program | None = None

        def call(
            state: State, noise: Tensor, picked: Tensor | None, rows: Rows
        ) -> tuple[State, Info]:
            nonlocal program
            target, program = self.target(rows, moving, own=own, shares=shares, like=program)
            batch = data if picked is None else {name: t[picked] for name, t in data.items()}
            return kernel.step(state, target, batch, noise)

        return call


def posteriors(
    testbed: Testbed,
    points: Points,
    kernel: Kernel,
    sampling: Sampling,
    *,
    seed: int,
    chains: range | None = None,
) -> Posteriors:
    """The posteriors of `points` under the settings, with some of their chains or all of them;
    ValueError for settings that do not fit."""
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in points.parameters.items()}
    centres = flatten(points.parameters, shapes)
    components = sampling.components or [ALL]
    mask = restrictions(testbed, points, shapes, components).to(centres.dtype)
    for name in sampling.observables:
        if name not in testbed.observables:
            known = ", ".join(testbed.observables) or "none"
            raise SettingsError(
                f"observables.{name}: {testbed.name} has no such observable; it has {known}"
            )
    sizes = _sizes(testbed, kernel, sampling)
    if sampling.precision == "bfloat16" and centres.dtype != torch.float32:
        raise SettingsError(
            f"precision: bfloat16 is for single-precision models; the weights of {testbed.name} "
            f"are {centres.dtype}".replace("torch.", "")
        )
    nbeta = centres.new_tensor([sampling.nbeta(n) for n in sizes])
    if "curvature" in points.index:
        given = centres.new_tensor(points.index["curvature"].to_numpy())
        curvature = given[:, None].expand(mask.shape[:2])
    elif sampling.unit == "curvature":
        curvature = _curvature(testbed, points, shapes, centres, mask, seed=seed)
    else:
        curvature = centres.new_full(mask.shape[:2], torch.nan)
    return Posteriors(
        testbed=testbed,
        points=points,
        sampling=sampling,
        shapes=shapes,
        sizes=sizes,
        centres=centres,
        components=components,
        mask=mask,
        curvature=curvature,
        nbeta=nbeta,
        epsilon=_epsilon(sampling, nbeta, curvature),
        options=options(sampling.kernel, sampling.options),
        chains=range(sampling.chains) if chains is None else chains,
    )


def _curvature(
    testbed: Testbed, points: Points, shapes: Shapes, centres: Tensor, mask: Tensor, *, seed: int
) -> Tensor:
    """(checkpoint, component) largest curvature of the loss on the data of reported losses.

    As many checkpoints at once as fit into PIECE; where not even one does, the data in pieces.
    """
    data = testbed.reported

    def program(rows: slice) -> Program:
        constants = {name: t[rows] for name, t in points.constants.items()}
        return Program(testbed.whole_losses, shapes, constants, rows=len(centres[rows]))

    def product(batch: Mapping[str, Tensor]) -> Tensor:
        one = centres[:1]
        return program(slice(1)).hessian_vector(one, one, batch)

    if testbed.divisible:
        length = piece_length(product, data, PIECE)
        together = max(1, length // len(next(iter(data.values()))))
    else:
        length, together = None, max(1, PIECE // max(1, cost(lambda: product(data)).written))
    found = torch.empty_like(mask[..., 0])
    for start in range(0, len(points), together):
        rows = slice(start, start + together)
        for component, held in enumerate(mask.unbind(1)):
            stream = generator(seed, "curvature")
            found[rows, component] = largest_curvature(
                program(rows), centres[rows], data, held[rows], stream=stream, length=length
            )
    return found


def _sizes(testbed: Testbed, kernel: Kernel, sampling: Sampling) -> list[float]:
    if sampling.batch is not None and testbed.samples is None:
        raise SettingsError(f"batch: {testbed.name} has a population loss, without data to batch")
    if sampling.batch is not None and kernel.FULL_DATA:
        raise SettingsError(f"batch: the sampler {sampling.kernel} needs all data at every step")
    if sampling.n:
        return [float(n) for n in sampling.n]
    if testbed.samples is None:
        raise SettingsError(f"n: {testbed.name} has a population loss, so n must be given")
    return [float(testbed.samples)]


def _epsilon(sampling: Sampling, nbeta: Tensor, curvature: Tensor) -> Tensor:
    """(checkpoint, component, n, step size)"""
    shape = (*curvature.shape, len(nbeta), 1)
    if sampling.steps_in_unit is None:
        return nbeta.new_full(shape, torch.nan)
    steps = nbeta.new_tensor(sampling.steps_in_unit)
    unit = nbeta.new_ones(shape)
    if sampling.unit == "nbeta":
        unit = (1 / (nbeta + sampling.localization))[None, None, :, None].expand(shape)
    if sampling.unit == "curvature":
        unit = 1 / (curvature[..., None, None] * nbeta[:, None] + sampling.localization)
    if sampling.epsilon == "auto":
        chosen = steps * unit
        log.info("epsilon: auto is %g / curvature, %.3g to %.3g", AUTO, chosen.min(), chosen.max())
    return steps * unit
