"""Models in training, stepped together as one batched program."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.engine.cost import CACHE, cost
from stagewise.engine.execution import multiplies
from stagewise.engine.flat import flatten
from stagewise.engine.noise import index_block
from stagewise.engine.program import Program
from stagewise.resume import restore_streams, stream_states
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Testbed
from stagewise.training.emphasis import distinct, emphasise, twins
from stagewise.training.optimizers import OPTIMIZERS, Hyperparameters, Memory
from stagewise.training.schedule import checkpoint_steps
from stagewise.training.training import Configuration, Training

BLOCK = 16
"""Steps whose batches are drawn at once."""


class DivergedTrainingError(RuntimeError):
    """The loss of a model became non-finite."""


def kind(setting: Configuration) -> tuple[str, int]:
    """What models must have in common to be stepped together."""
    return setting.optimizer, setting.batch or 0


class Fleet:
    """All models of the configurations of one kind."""

    def __init__(
        self,
        testbed: Testbed,
        training: Training,
        group: list[tuple[int, Configuration]],
        *,
        seed: int,
    ) -> None:
        self._testbed, self._training = testbed, training
        self._keys = [(place, model) for place, _ in group for model in range(training.models)]
        settings = [setting for _, setting in group for _ in range(training.models)]
        assert testbed.initial is not None
        starts = [testbed.initial(generator(seed, "initial", model)) for _, model in self._keys]
        self.shapes = {name: tuple(tensor.shape) for name, tensor in starts[0].items()}
        stacked = {name: torch.stack([start[name] for start in starts]) for name in self.shapes}
        self._position = flatten(stacked, self.shapes)
        self._update = OPTIMIZERS[settings[0].optimizer]
        squares = self._position if settings[0].optimizer == "adamw" else self._position[:, :0]
        self._memory = Memory(torch.zeros_like(self._position), torch.zeros_like(squares))
        self._decays = flatten(
            {name: torch.full((1, *shape), len(shape) > 1) for name, shape in self.shapes.items()},
            self.shapes,
        ).to(self._position.dtype)
        self._settings = settings
        self._batch = settings[0].batch if testbed.samples else None
        seen = twins(training.configurations)
        self._seed, self._batches = seed, [(seen[place], model) for place, model in self._keys]
        self._streams = [generator(seed, "batch", *key) for key in self._batches]
        for setting in settings:
            if setting.emphasis is not None:
                testbed.of(setting.emphasis.distribution)  # ends a run that has no such data
        half = training.precision == "bfloat16"
        if half and self._position.dtype != torch.float32:
            raise SettingsError(
                f"precision: bfloat16 is for single-precision models; the weights of "
                f"{testbed.name} are {self._position.dtype}".replace("torch.", "")
            )
        one = Program(testbed.losses, self.shapes, {}, rows=1, half=half)
        batch = {name: tensor[: self._batch] for name, tensor in testbed.data.items()}
        each = cost(lambda: one.loss_and_gradient(self._position[:1], batch))
        # Models whose step does not fit the cache would only fetch each other from memory.
        alone = each.written > CACHE
        own = alone and multiplies("auto", steps=training.longest * len(self._keys), cost=each)
        self._program, self._trained = (
            Program(testbed.losses, self.shapes, {}, rows=1, half=h, alone=alone, own=own)
            for h in (False, half)
        )
        self._schedule = set(
            checkpoint_steps(
                training.steps,
                linear=training.linear_checkpoints,
                logarithmic=training.log_checkpoints,
            )
        )
        self._reached = torch.zeros(len(self._keys), dtype=torch.int64)
        self._in_flight(torch.arange(len(self._keys)))
        self._seen: tuple[Tensor, Tensor] | None = None
        self.step = 0
        self.last_loss = float("nan")
        self.rows_found: list[dict[str, Any]] = []
        self._saved: list[Tensor] = []
        self._look()

    def _in_flight(self, rows: Tensor) -> None:
        """The models, by number, that `position`, `memory` and `reached` hold from here on."""
        self._rows = rows
        column = self._position.new_tensor
        settings = [self._settings[row] for row in rows.tolist()]
        adaptive = self._memory.second.shape[1] > 0
        self._of = Hyperparameters(
            rate=column([s.learning_rate for s in settings])[:, None],
            momentum=column([s.betas[0] if adaptive else s.momentum for s in settings])[:, None],
            second_decay=column([s.betas[1] for s in settings])[:, None],
            weight_decay=column([s.weight_decay for s in settings])[:, None],
        )
        self._warmup = column([max(1, s.warmup) for s in settings])[:, None]
        self._longest_warmup = max((s.warmup for s in settings), default=0)
        self._anneal = column([max(1, s.anneal) for s in settings])[:, None]
        self._longest_anneal = max((s.anneal for s in settings), default=0)
        self._picks = [self._streams[row] for row in rows.tolist()]

    @property
    def done(self) -> bool:
        return self.step >= self._training.longest or len(self._rows) == 0

    def _leave(self) -> None:
        """Lets go of the models with nothing ahead: past `steps` and past every target."""
        if self.step < self._training.steps:
            return
        ahead = self._reached < len(self._training.target_losses)
        if ahead.all():
            return
        self._position = self._position[ahead]
        self._memory = Memory(*(tensor[ahead] for tensor in self._memory))
        self._reached = self._reached[ahead]
        if self._seen is not None:
            self._seen = (self._seen[0][ahead], self._seen[1][ahead])
        self._in_flight(self._rows[ahead])

    def advance(self) -> None:
        """One block of steps, or what is left of the last."""
        picked = None
        if self._batch is not None:
            samples = self._testbed.samples or 0
            picked = index_block(self._picks, BLOCK, samples, self._batch)
        for inner in range(min(BLOCK, self._training.longest - self.step)):
            loss, gradient = self._gradient(None if picked is None else picked[:, inner])
            self.step += 1
            self._position, self._memory = self._update(
                self._position, gradient, self._memory, self._now(), self._decays, self.step
            )
            self._look()
        self.last_loss = float(loss.mean())
        if not torch.isfinite(loss).all():
            row = int(self._rows[(~torch.isfinite(loss)).nonzero()[0, 0]])
            raise DivergedTrainingError(
                f"the loss of configuration {self._keys[row][0]}, model {self._keys[row][1]} is "
                f"not finite at step {self.step}: lower its learning_rate "
                f"({self._settings[row].learning_rate})"
            )
        self._leave()

    def _gradient(self, picked: Tensor | None) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the models in flight at the next step, each on samples of its own
        numbers (row, sample) or on all."""
        if picked is None:
            return self._trained.loss_and_gradient(self._position, self._testbed.data)
        batch = {name: tensor[picked] for name, tensor in self._testbed.data.items()}
        settings, keys = self._seeing()
        emphasise(batch, self._testbed, settings, keys, seed=self._seed, step=self.step + 1)
        some, of = distinct(settings, keys, self.step + 1)
        if len(some) == len(settings):
            return self._trained.loss_and_gradient(self._position, batch, shared=False)
        part = {name: tensor[some] for name, tensor in batch.items()}
        loss, gradient = self._trained.loss_and_gradient(self._position[some], part, shared=False)
        return loss[of], gradient[of]

    def _seeing(self) -> tuple[list[Configuration], list[tuple[int, int]]]:
        """Of the models in flight, their settings, and what says which minibatches they see."""
        rows = self._rows.tolist()
        return [self._settings[row] for row in rows], [self._batches[row] for row in rows]

    def _now(self) -> Hyperparameters:
        """The settings at this step."""
        # The last step of all has a small rate, not none.
        left = self._training.steps + 1 - self.step
        now = self._of
        if self.step < self._longest_warmup:
            now = now._replace(rate=now.rate * (self.step / self._warmup).clamp(max=1))
        if 0 < left <= self._longest_anneal:
            now = now._replace(rate=now.rate * (left / self._anneal).clamp(max=1))
        return now

    def _look(self) -> None:
        """Saves what is due at this step."""
        targets = self._training.target_losses
        scheduled = self.step in self._schedule
        watched = bool(targets) and self.step % self._training.evaluate_every == 0
        if not (scheduled or watched):
            return
        some, of = distinct(*self._seeing(), self.step)
        losses = self._program.loss(self._position[some], self._testbed.reported)[of]
        if scheduled:
            for place in range(len(self._rows)):
                self._keep(place, self._position[place], float(losses[place]), float("nan"))
        if watched:
            if self._seen is not None:
                self._cross(losses)
            self._seen = (self._position, losses)

    def _cross(self, losses: Tensor) -> None:
        """Saves, for every target passed since the last look, the point where it was met."""
        assert self._seen is not None
        for number, target in enumerate(self._training.target_losses):
            level = target * self._training.descend_from
            passed = (self._reached == number) & (losses <= level)
            if not passed.any():
                continue
            low, high = torch.zeros(len(losses)), torch.ones(len(losses))
            before = self._seen[0]
            for _ in range(20):
                middle = (low + high) / 2
                mixed = torch.lerp(before, self._position, middle[:, None].to(before))
                above = self._program.loss(mixed, self._testbed.reported) > level
                low, high = torch.where(above, middle, low), torch.where(above, high, middle)
            mixed = torch.lerp(before, self._position, high[:, None].to(before))
            met = self._program.loss(mixed, self._testbed.reported)
            fell = passed & (self._seen[1] > level)  # not so where training started below it
            for place in fell.nonzero()[:, 0].tolist():
                self._keep(place, mixed[place], float(met[place]), target)
            self._reached[passed] += 1

    def _keep(self, place: int, position: Tensor, loss: float, target: float) -> None:
        row = int(self._rows[place])
        configuration, model = self._keys[row]
        setting = self._settings[row]
        kind = "scheduled" if self.step else "start"
        if not math.isnan(target):
            kind = "passage" if self._training.descend_from > 1 else "target"
        self.rows_found.append(
            {
                "configuration": configuration,
                "model": model,
                "step": self.step,
                "kind": kind,
                "target": target,
                "descended": 0,
                "loss": loss,
                "learning_rate": setting.learning_rate,
                "batch": setting.batch or 0,
                "momentum": setting.momentum,
            }
        )
        self._saved.append(position.clone())

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to continue from here, beside `rows_found` and `step`."""
        seen = self._seen or (self._position, self._position[:, 0])
        return {
            "position": self._position,
            "first": self._memory.first,
            "second": self._memory.second,
            "rows": self._rows,
            "streams": stream_states(self._streams),
            "reached": self._reached,
            "seen position": seen[0],
            "seen losses": seen[1],
            "saved": torch.stack(self._saved),
        }

    def restore(
        self, tensors: Mapping[str, Tensor], rows_found: list[dict[str, Any]], step: int
    ) -> None:
        """Continues where `tensors` was called, after `step` steps."""
        self._position = tensors["position"]
        self._memory = Memory(tensors["first"], tensors["second"])
        restore_streams(self._streams, tensors["streams"])
        self._in_flight(tensors["rows"])
        self._reached = tensors["reached"]
        if self._training.target_losses:
            self._seen = (tensors["seen position"], tensors["seen losses"])
        self._saved = list(tensors["saved"])
        self.rows_found, self.step = rows_found, step

    def found(self) -> tuple[pd.DataFrame, Tensor]:
        """What was saved: the index, and positions (checkpoint, d)."""
        return pd.DataFrame(self.rows_found), torch.stack(self._saved)
