"""The one training loop: many small models as one batched program, with checkpoints."""

import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.engine.noise import index_block
from stagewise.engine.program import Program, flatten, unflatten
from stagewise.progress import Report
from stagewise.resume import SideFile, restore_streams, stream_states
from stagewise.seeds import generator
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.training.descent import descended
from stagewise.training.optimizers import OPTIMIZERS, Hyperparameters, Memory
from stagewise.training.schedule import checkpoint_steps
from stagewise.training.training import Configuration, Training

BLOCK = 16
"""Steps whose batches are drawn at once."""


class DivergedTrainingError(RuntimeError):
    """The loss of a model became non-finite."""


def train(
    testbed: Testbed,
    training: Training,
    *,
    seed: int,
    report: Report,
    side_file: SideFile | None = None,
) -> Points:
    """Checkpoints of every configuration and model of the run.

    By the optimizer of each configuration (`optimizers`), on the mean losses of its minibatches.

    Index columns: configuration, model, step, kind (start, scheduled; target, where a target loss
    is met; passage, where the descent to it begins), target (that loss, or not a number),
    descended (steps of that descent), loss (mean over all data, nats), learning_rate, batch
    (0: all data), momentum, and one column per metric of the testbed. Model m starts from the same
    weights in every configuration. The steps of a model depend on its configuration's place, its
    number and the seed only.
    """
    numbered = list(enumerate(training.configurations))
    groups = [
        list(group)
        for _, group in groupby(
            sorted(numbered, key=lambda item: _kind(item[1])), lambda item: _kind(item[1])
        )
    ]
    finished: list[tuple[pd.DataFrame, Tensor]] = []
    tensors, counters = (side_file and side_file.load()) or ({}, {"group": 0, "step": 0})
    for number, group in enumerate(groups):
        fleet = _Fleet(testbed, training, group, seed=seed)
        if number <= counters["group"] and f"{number}.position" in tensors:
            part = {k.split(".", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{number}.")}
            fleet.restore(part, counters[f"rows{number}"], counters[f"step{number}"])
        while not fleet.done:
            fleet.advance()
            share = (number + fleet.step / training.longest) / len(groups)
            report(int(share * training.steps), f"loss {fleet.last_loss:.4g}")
            if side_file and side_file.due():
                tensors = {k: v for k, v in tensors.items() if not k.startswith(f"{number}.")}
                tensors |= {f"{number}.{k}": v for k, v in fleet.tensors().items()}
                counters |= {"group": number, f"rows{number}": fleet.rows_found}
                counters |= {f"step{number}": fleet.step}
                side_file.save(tensors, counters)
        finished.append(fleet.found())
    index, position = _joined(finished)
    index, position = descended(testbed, training, index, position, fleet.shapes)
    index, position = _joined([(index, position)])
    report(training.steps, "done")
    return _points(testbed, index, unflatten(position, fleet.shapes))


def _kind(setting: Configuration) -> tuple[str, int]:
    """What models must have in common to be stepped together."""
    return setting.optimizer, setting.batch or 0


class _Fleet:
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
        self._streams = [generator(seed, "batch", *key) for key in self._keys]
        self._program = Program(testbed.losses, self.shapes, {}, rows=1)
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
            if picked is None:
                loss, gradient = self._program.loss_and_gradient(self._position, self._testbed.data)
            else:
                batch = {k: v[picked[:, inner]] for k, v in self._testbed.data.items()}
                loss, gradient = self._program.loss_and_gradient(
                    self._position, batch, shared=False
                )
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

    def _now(self) -> Hyperparameters:
        """The settings at this step."""
        if self.step >= self._longest_warmup:
            return self._of
        risen = (self.step / self._warmup).clamp(max=1)
        return self._of._replace(rate=self._of.rate * risen)

    def _look(self) -> None:
        """Saves what is due at this step."""
        targets = self._training.target_losses
        scheduled = self.step in self._schedule
        watched = bool(targets) and self.step % self._training.evaluate_every == 0
        if not (scheduled or watched):
            return
        losses = self._program.loss(self._position, self._testbed.data)
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
                above = self._program.loss(mixed, self._testbed.data) > level
                low, high = torch.where(above, middle, low), torch.where(above, high, middle)
            mixed = torch.lerp(before, self._position, high[:, None].to(before))
            met = self._program.loss(mixed, self._testbed.data)
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


def _joined(parts: list[tuple[pd.DataFrame, Tensor]]) -> tuple[pd.DataFrame, Tensor]:
    index = pd.concat([index for index, _ in parts], ignore_index=True)
    order = index.sort_values(["configuration", "model", "step"], kind="stable").index
    position = torch.cat([position for _, position in parts])
    return index.loc[order].reset_index(drop=True), position[torch.tensor(order.to_numpy())]


def _points(testbed: Testbed, index: pd.DataFrame, parameters: dict[str, Tensor]) -> Points:
    """The checkpoints with the metrics of the testbed."""
    for name, metric in testbed.metrics.items():
        with torch.no_grad():
            index[name] = [
                float(metric({k: v[row] for k, v in parameters.items()}, {}))
                for row in range(len(index))
            ]
    return Points(parameters, index)
