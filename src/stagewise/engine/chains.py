"""Chains in flight: a batch of rows stepped together, what they record, how they are continued."""

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from stagewise.engine.noise import BLOCK, index_block, normal_block
from stagewise.engine.program import Program
from stagewise.engine.sampling import Sampling
from stagewise.resume import restore_streams, stream_states
from stagewise.samplers.target import Kernel, Target
from stagewise.seeds import generator
from stagewise.settings import SettingsError


class DivergedChainError(RuntimeError):
    """A chain became non-finite: the step size is too large for the curvature it met."""


class Chains:
    """Rows of one target, advanced a block of steps at a time."""

    def __init__(
        self,
        kernel: Kernel,
        target: Target,
        program: Program,
        data: Mapping[str, Tensor],
        sampling: Sampling,
        *,
        seed: int,
        keys: Sequence[tuple[int, float, int]],
    ) -> None:
        """`keys` names each row's checkpoint, n and chain: its random streams hang on these."""
        self._kernel, self._target, self._program = kernel, target, program
        self._data, self._sampling, self._keys = data, sampling, keys
        self._noises = self._streams(seed, "noise")
        self._picks = self._streams(seed, "batch")
        self.step = 0
        position = target.centre.clone()
        if sampling.start == "tether":
            starts = self._streams(seed, "start")
            size = target.centre.shape[1]
            noise = torch.stack(
                [torch.randn(size, generator=stream, dtype=position.dtype) for stream in starts]
            )
            position = position + noise * target.mask / target.localization.sqrt()
        self._centre_loss = program.loss(target.centre, data) if sampling.batch is None else None
        self._state = kernel.init(position, target, data)
        self._last_loss = torch.full((len(keys),), torch.nan)
        rows = len(keys)
        self.recorded = {
            "excess_loss": torch.full((sampling.draws, rows), torch.nan, dtype=torch.float64),
            "distance": torch.full((sampling.draws, rows), torch.nan, dtype=torch.float32),
            "acceptance": torch.zeros(1, rows, dtype=torch.float64),
        }
        if "parameters" in sampling.record:
            shape = (sampling.draws, position.shape[1], rows)
            self.recorded["parameters"] = torch.full(shape, torch.nan, dtype=torch.float32)

    def _streams(self, seed: int, use: str) -> list[Generator]:
        return [generator(seed, use, place, repr(n), chain) for place, n, chain in self._keys]

    def advance(self) -> None:
        """One block of steps, or what is left of the last; records the draws that fall in it."""
        sampling, target = self._sampling, self._target
        size = self._kernel.noise_size(target)
        noise = normal_block(self._noises, BLOCK, size, target.centre.dtype)
        picked = self._pick()
        losses = []
        for inner in range(min(BLOCK, sampling.steps - self.step)):
            batch = self._data if picked is None else self._batch(picked[inner])
            position = self._state.position
            self._state, info = self._kernel.step(self._state, target, batch, noise[inner])
            losses.append(info.loss)
            past = self.step + inner - sampling.burn_in
            if past >= 0:
                counted = sampling.steps - sampling.burn_in
                self.recorded["acceptance"] += info.acceptance / counted
                if info.exchange is not None:
                    total = self.recorded.setdefault("exchange", torch.zeros_like(info.loss)[None])
                    total += info.exchange / counted
                if past % sampling.thin == 0:
                    self._record(past // sampling.thin, position, info.loss, batch)
        self._check_finite(torch.stack(losses))
        self.step += len(losses)

    def _pick(self) -> Tensor | None:
        if self._sampling.batch is None:
            return None
        samples = len(next(iter(self._data.values())))
        return index_block(self._picks, BLOCK, samples, self._sampling.batch)

    def _batch(self, picked: Tensor) -> dict[str, Tensor]:
        return {name: tensor[picked] for name, tensor in self._data.items()}

    def _record(
        self, draw: int, position: Tensor, loss: Tensor, batch: Mapping[str, Tensor]
    ) -> None:
        centre = self._target.centre
        at_centre = self._centre_loss
        if at_centre is None:
            at_centre = self._program.loss(centre, batch, shared=False)
        self.recorded["excess_loss"][draw] = loss - at_centre
        self.recorded["distance"][draw] = (position - centre).norm(dim=1)
        if "parameters" in self.recorded:
            self.recorded["parameters"][draw] = position.T

    def _check_finite(self, losses: Tensor) -> None:
        """losses (step, row) of the block."""
        bad = ~torch.isfinite(losses)
        if not bad.any() and torch.isfinite(self._state.position).all():
            self._last_loss = losses[-1]
            return
        lost = ~torch.isfinite(self._state.position).all(1)
        step, row = (
            map(int, bad.nonzero()[0]) if bad.any() else (len(losses), int(lost.nonzero()[0]))
        )
        last = float(losses[step - 1, row] if step else self._last_loss[row])
        place, n, chain = self._keys[row]
        if self._target.epsilon[row].isnan():
            raise SettingsError(f"epsilon: the sampler {self._sampling.kernel} needs a step size")
        raise DivergedChainError(
            f"chain {chain} of checkpoint {place}, n = {n:g}, is not finite at step "
            f"{self.step + step} (last loss before it {last:.6g}, step size "
            f"{float(self._target.epsilon[row, 0]):.3g}): lower `epsilon` or raise "
            f"`localization`"
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to continue from here."""
        return {
            **{f"recorded.{name}": tensor for name, tensor in self.recorded.items()},
            **{f"state.{name}": tensor for name, tensor in self._state._asdict().items()},
            "streams.noise": stream_states(self._noises),
            "streams.batch": stream_states(self._picks),
        }

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Continues where `tensors` was called, after `step` steps."""
        self.recorded = {
            name.removeprefix("recorded."): tensor
            for name, tensor in tensors.items()
            if name.startswith("recorded.")
        }
        fields = {name: tensors[f"state.{name}"] for name in self._state._fields}
        self._state = type(self._state)(**fields)
        restore_streams(self._noises, tensors["streams.noise"])
        restore_streams(self._picks, tensors["streams.batch"])
        self.step = step
