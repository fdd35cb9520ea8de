"""Chains in flight: a batch of rows stepped together, what they record, how they are continued."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from stagewise.engine.cost import Cost, cost
from stagewise.engine.execution import EAGER, Mode, Move, Rows, compiled
from stagewise.engine.noise import Key, Streams, block_length
from stagewise.engine.observables import Evaluation, Observed, TraceRows, evaluations
from stagewise.engine.parts import parts, run, shares
from stagewise.engine.posteriors import Posteriors
from stagewise.resume import restore_streams, stream_states
from stagewise.samplers.target import Info, Kernel, State
from stagewise.settings import SettingsError

MEMORY = 1 << 30
"""Bytes that the tensor operations of a step, or of evaluating an observable, may write."""


class DivergedChainError(RuntimeError):
    """A chain became non-finite: the step size is too large for the curvature it met."""


class TooLittleMemoryError(RuntimeError):
    """A single chain needs more than is allowed."""


class Chains:
    """Rows of one target, advanced a block of steps at a time."""

    def __init__(
        self,
        kernel: Kernel,
        found: Posteriors,
        grid: Tensor,
        *,
        seed: int,
        places: Tensor,
        moving: Collection[str] | None = None,
        mode: Mode = EAGER,
        table: Tensor | None = None,
        traces: Mapping[str, TraceRows] | None = None,
        memory: int = MEMORY,
    ) -> None:
        """Chains of some rows of the posteriors' grid, at the start.

        `places` are the checkpoints' numbers: a row's random streams hang on its number, its
        component, its n and its chain, so it has the same noise at every step size. `moving` are
        the parameters that these rows sample, by default all, `mode` how their steps are made.
        `table` holds the loss of every sample at every checkpoint, (checkpoint, sample), where
        L_B(w*) is to be looked up. `traces` are where observables go; `memory` bounds the bytes
        that evaluating them takes.
        """
        self._kernel, self._found, self._sampling = kernel, found, found.sampling
        sampling, self._data = found.sampling, found.testbed.data
        self._keys = [
            Key(int(places[at]), found.components[component], found.sizes[size], chain)
            for at, component, size, _, chain in grid.tolist()
        ]
        self._rows = found.rows(grid)
        self._table, self._checkpoints = table, grid[:, :1].to(found.centres.device)
        self._target, self._program = found.target(
            self._rows, moving, alone=mode.alone, own=mode.own
        )
        self._noises = self._streams(seed, "noise")
        self._picks = self._streams(seed, "batch")
        self.step = 0
        centre, position = self._target.centre, self._target.centre.clone()
        if sampling.start == "tether":
            noise = self._streams(seed, "start").normals(1, centre.shape[1])[:, 0].to(centre)
            spread = self._target.mask / self._target.localization.sqrt()
            position = position + noise * spread
        self._centre_loss = (
            self._program.loss(centre, self._data) if sampling.batch is None else None
        )
        self._state = kernel.init(position, self._target, self._data)
        size = kernel.noise_size(self._target)
        self._block = block_length(max(size, sampling.batch or 0))
        self._last_loss = torch.full((len(grid),), torch.nan)
        rows = len(grid)
        self.recorded = {
            "excess_loss": torch.full((sampling.draws, rows), torch.nan, dtype=torch.float64),
            "distance": torch.full((sampling.draws, rows), torch.nan, dtype=torch.float32),
            "acceptance": torch.zeros(1, rows, dtype=torch.float64),
        }
        if sampling.mirror:
            self.recorded["mirror_excess_loss"] = self.recorded["excess_loss"].clone()
        if "parameters" in sampling.record:
            shape = (sampling.draws, centre.shape[1], rows)
            self.recorded["parameters"] = torch.full(shape, torch.nan, dtype=torch.float32)
        self._observed = {
            name: Observed(
                observation,
                Evaluation(
                    found.testbed.observables[name],
                    found.shapes,
                    self._target.constants,
                    rows=rows,
                    memory=memory,
                    alone=mode.alone,
                    own=mode.own,
                ),
                centre,
                (traces or {}).get(name),
            )
            for name, observation in sampling.observables.items()
        }
        self._move: Move = self._eager
        self._parts = [slice(0, rows)]
        if mode.alone:
            self._parts = [slice(row, row + 1) for row in range(rows)]
            self._move = found.move(kernel, moving, own=mode.own)
        if mode.compile:
            if centre.device.type == "cpu":
                self._parts = parts(rows, self.cost().written // rows)
            example = self.example()
            side_by_side = shares(len(example[1]), sampling.batch)
            self._move = compiled(found.move(kernel, moving, shares=side_by_side), example)

    def _streams(self, seed: int, use: str) -> Streams:
        return Streams(self._keys, seed, use, coupled=self._sampling.coupled)

    def _eager(
        self, state: State, noise: Tensor, picked: Tensor | None, rows: Rows
    ) -> tuple[State, Info]:
        return self._kernel.step(state, self._target, self._batch(picked), noise)

    def example(self) -> tuple[State, Tensor, Tensor | None, Rows]:
        """Arguments of a move of the first part of the rows, all of them where nothing is compiled;
        takes nothing from the random streams."""
        centre, batch = self._target.centre, self._sampling.batch
        part = self._parts[0]
        rows, size = len(centre[part]), self._kernel.noise_size(self._target)
        picked = None
        if batch is not None:
            picked = torch.zeros(rows, batch, dtype=torch.int64, device=centre.device)
        state = type(self._state)(*(tensor[part] for tensor in self._state))
        given = {name: tensor[part] for name, tensor in self._rows.items()}
        return state, centre.new_zeros(rows, size), picked, given

    def cost(self) -> Cost:
        """Of one step of all rows, in operations and memory."""
        return cost(lambda: self._eager(*self.example()))

    def advance(self) -> None:
        """One block of steps, or what is left of the last; records the draws that fall in it."""
        sampling = self._sampling
        steps = min(self._block, sampling.steps - self.step)
        noise, picked = self._noise()[:, :steps], self._pick()
        past = self.step - sampling.burn_in
        kept = {
            inner: (past + inner) // sampling.thin
            for inner in range(max(0, -past), steps)
            if (past + inner) % sampling.thin == 0
        }
        block = run(self._move, self._parts, self._state, noise, picked, self._rows, kept=kept)
        self._state = block.state
        for inner, draw in kept.items():
            chosen = None if picked is None else picked[:, inner]
            self._record(draw, block.positions[inner], block.infos[inner].loss, chosen)
        self._check_finite(torch.stack([info.loss for info in block.infos]))
        self._count(block.infos[max(0, -past) :])
        self.step += steps

    def _noise(self) -> Tensor:
        size = self._kernel.noise_size(self._target)
        return self._noises.normals(self._block, size).to(self._target.centre.device)

    def _pick(self) -> Tensor | None:
        batch = self._sampling.batch
        if batch is None:
            return None
        samples = len(next(iter(self._data.values())))
        block = self._picks.indices(self._block, samples, batch)
        return block.to(self._target.centre.device)

    def _batch(self, picked: Tensor | None) -> Mapping[str, Tensor]:
        if picked is None:
            return self._data
        return {name: tensor[picked] for name, tensor in self._data.items()}

    def _record(self, draw: int, position: Tensor, loss: Tensor, picked: Tensor | None) -> None:
        centre = self._target.centre
        at_centre = self._centre_loss
        if at_centre is None:
            at_centre = self._batch_loss_at_centre(picked)
        self.recorded["excess_loss"][draw] = loss - at_centre
        self.recorded["distance"][draw] = (position - centre).norm(dim=1)
        if "parameters" in self.recorded:
            self.recorded["parameters"][draw] = position.T
        positions, weights = position[None], torch.ones_like(loss)[None]
        if self._sampling.mirror:
            image = 2 * centre - position
            mirrored = self._program.loss(image, self._data)
            self.recorded["mirror_excess_loss"][draw] = mirrored - at_centre
            weight = torch.sigmoid(self._target.nbeta[:, 0] * (loss - mirrored))
            positions, weights = torch.stack([position, image]), torch.stack([1 - weight, weight])
        for observed in self._observed.values():
            observed.record(draw, positions, weights)

    def _batch_loss_at_centre(self, picked: Tensor | None) -> Tensor:
        if self._table is None:
            return self._program.loss(self._target.centre, self._batch(picked), shared=False)
        return self._table[self._checkpoints, picked].mean(1)

    def _count(self, infos: Sequence[Info]) -> None:
        """Adds what the steps after burn-in accepted to the means; without a decision, all."""
        counted = self._sampling.steps - self._sampling.burn_in
        accepted = [info.acceptance for info in infos if info.acceptance is not None]
        exchanged = [info.exchange for info in infos if info.exchange is not None]
        shares = {"acceptance": accepted or [torch.ones(len(self._keys))] * len(infos)}
        if exchanged:
            shares["exchange"] = exchanged
        for name, found in shares.items():
            if found:
                total = torch.stack(found).double().sum(0, keepdim=True).cpu() / counted
                self.recorded[name] = self.recorded.get(name, 0) + total

    def _check_finite(self, losses: Tensor) -> None:
        """losses (step, row) of the block."""
        if self._sampling.diverging == "keep":
            return
        bad = ~torch.isfinite(losses)
        # a sum, which is soon made, is finite only if all numbers are
        sound = self._state.position.sum().isfinite() or self._state.position.isfinite().all()
        if sound and not bad.any():
            self._last_loss = losses[-1]
            return
        lost = ~torch.isfinite(self._state.position).all(1)
        step, row = (
            map(int, bad.nonzero()[0]) if bad.any() else (len(losses), int(lost.nonzero()[0]))
        )
        last = float(losses[step - 1, row] if step else self._last_loss[row])
        key = self._keys[row]
        if self._target.epsilon[row].isnan():
            raise SettingsError(f"epsilon: the sampler {self._sampling.kernel} needs a step size")
        raise DivergedChainError(
            f"chain {key.chain} of checkpoint {key.place}, "
            f"{''.join(f'component {name}, ' for name in key.restriction)}"
            f"n = {key.n:g}, is not finite at step "
            f"{self.step + step} (last loss before it {last:.6g}, step size "
            f"{float(self._target.epsilon[row, 0]):.3g}): lower `epsilon` or raise "
            f"`localization`"
        )

    def moments(self) -> dict[str, Tensor]:
        """What observables are kept as instead of traces, (..., row), of finished chains."""
        found = {}
        for name, observed in self._observed.items():
            if observed.moments is not None:
                draws = evaluations(self._sampling.observables[name], self._sampling.draws)
                for part, tensor in observed.moments.found(draws).items():
                    found[f"{name}_{part}"] = tensor.movedim(0, -1)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to continue from here."""
        return {
            **{
                f"moments.{name}.{part}": tensor
                for name, observed in self._observed.items()
                if observed.moments is not None
                for part, tensor in observed.moments.tensors().items()
            },
            **{f"recorded.{name}": tensor for name, tensor in self.recorded.items()},
            **{f"state.{name}": tensor for name, tensor in self._state._asdict().items()},
            "streams.noise": stream_states(self._noises.generators),
            "streams.batch": stream_states(self._picks.generators),
        }

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Continues where `tensors` was called, after `step` steps."""
        self.recorded = {
            name.removeprefix("recorded."): tensor
            for name, tensor in tensors.items()
            if name.startswith("recorded.")
        }
        for name, observed in self._observed.items():
            if observed.moments is not None:
                observed.moments.restore(
                    {part: tensors[f"moments.{name}.{part}"] for part in observed.moments.tensors()}
                )
        device = self._target.centre.device
        fields = {name: tensors[f"state.{name}"].to(device) for name in self._state._fields}
        self._state = type(self._state)(**fields)
        restore_streams(self._noises.generators, tensors["streams.noise"])
        restore_streams(self._picks.generators, tensors["streams.batch"])
        self.step = step
