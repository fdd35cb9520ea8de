"""Retraining on random subsets of the training data: the ground truth of data attribution."""

from math import prod

import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.flat import Shapes, flatten
from stagewise.engine.program import Program
from stagewise.progress import Report
from stagewise.resume import SideFile
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Testbed
from stagewise.training.fleet import DivergedTrainingError
from stagewise.training.optimizers import OPTIMIZERS, Hyperparameters, Memory
from stagewise.training.retraining import Retraining
from stagewise.training.training import Configuration, Training

TOGETHER = 256
"""Models that are stepped as one program."""


def retrained(
    testbed: Testbed,
    training: Training,
    retraining: Retraining,
    *,
    seed: int,
    report: Report,
    side_file: SideFile | None = None,
) -> xr.Dataset:
    """Losses of models trained on random subsets, with the run's own recipe.

    The first configuration of the run, on all data of the subset at every step. Repeat r starts
    from the same weights on every subset; subsets of one size are drawn independently.

    returns  variables loss (share, subset, repeat, query), nats, and member (share, subset,
             sample), True where the sample is in the subset
    Raises SettingsError for settings that do not go together, DivergedTrainingError for a loss
    that is not finite.
    """
    samples = _checked(testbed, training, retraining)
    subsets, repeats = retraining.subsets, retraining.repeats
    chosen = [_subsets(samples, share, subsets, seed) for share in retraining.shares]
    start, shapes = _starts(testbed, repeats, seed)
    observable = testbed.observables[retraining.observable]
    # One row a model: the subset is row // repeats, the repeat row % repeats.
    chunks = [
        (place, rows)
        for place in range(len(chosen))
        for rows in torch.arange(subsets * repeats).split(TOGETHER)
    ]
    tensors, counters = (side_file and side_file.load()) or ({}, {"chunks": 0})
    found = [tensors[f"{number}.losses"] for number in range(counters["chunks"])]
    for number, (place, rows) in enumerate(chunks):
        if number < len(found):
            continue
        picked = chosen[place][rows // repeats]
        batch = {name: tensor[picked] for name, tensor in testbed.data.items()}
        position = _trained(testbed, training, start[rows % repeats], shapes, batch)
        ends = Program(observable.losses, shapes, {}, rows=1).each(position, observable.data)
        if not torch.isfinite(ends).all():
            raise DivergedTrainingError(
                f"a model trained on {len(picked[0])} of {samples} samples has a loss that is not "
                f"finite: lower the learning_rate ({training.configurations[0].learning_rate})"
            )
        found.append(ends)
        report(round((number + 1) / len(chunks) * training.steps), f"loss {float(ends.mean()):.4g}")
        if side_file and side_file.due():
            saved = {f"{place}.losses": losses for place, losses in enumerate(found)}
            side_file.save(saved, {"chunks": len(found)})
    losses = torch.cat(found).reshape(len(chosen), subsets, repeats, -1)
    member = torch.zeros(len(chosen), subsets, samples, dtype=torch.bool)
    for place, of_share in enumerate(chosen):
        member[place].scatter_(1, of_share, True)
    return xr.Dataset(
        {
            "loss": (("share", "subset", "repeat", "query"), losses.numpy()),
            "member": (("share", "subset", "sample"), member.numpy()),
        },
        coords={"share": retraining.shares},
    )


def _checked(testbed: Testbed, training: Training, retraining: Retraining) -> int:
    """The number of samples of the testbed, if all goes together."""
    if testbed.initial is None or testbed.samples is None:
        raise SettingsError(f"retraining: {testbed.name} has no data or no initial weights")
    if retraining.observable not in testbed.observables:
        known = ", ".join(testbed.observables) or "none"
        raise SettingsError(
            f"retraining.observable: {testbed.name} has no {retraining.observable!r}; it has "
            f"{known}"
        )
    if training.configurations[0].batch is not None:
        raise SettingsError("retraining: subsets are seen whole; leave out the training's `batch`")
    return testbed.samples


def _subsets(samples: int, share: float, count: int, seed: int) -> Tensor:
    """Random subsets (count, size), without repeats within one."""
    size = max(1, round(share * samples))
    orders = [
        torch.randperm(samples, generator=generator(seed, "subset", str(share), number))
        for number in range(count)
    ]
    return torch.stack(orders)[:, :size]


def _starts(testbed: Testbed, repeats: int, seed: int) -> tuple[Tensor, dict[str, tuple[int, ...]]]:
    """Initial weights of the repeats (repeat, d), and the shapes of the tensors."""
    assert testbed.initial is not None
    models = [testbed.initial(generator(seed, "retrained", number)) for number in range(repeats)]
    shapes = {name: tuple(tensor.shape) for name, tensor in models[0].items()}
    return flatten(
        {name: torch.stack([m[name] for m in models]) for name in shapes}, shapes
    ), shapes


def _trained(
    testbed: Testbed, training: Training, position: Tensor, shapes: Shapes, batch: dict[str, Tensor]
) -> Tensor:
    """Rows (model, d) after all steps, each on its own data (model, sample, ...)."""
    setting = training.configurations[0]
    program = Program(testbed.losses, shapes, {}, rows=1)
    update = OPTIMIZERS[setting.optimizer]
    squares = position if setting.optimizer == "adamw" else position[:, :0]
    memory = Memory(torch.zeros_like(position), torch.zeros_like(squares))
    decays = torch.cat(
        [position.new_full((prod(shape),), float(len(shape) > 1)) for shape in shapes.values()]
    )
    for step in range(1, training.steps + 1):
        _, gradient = program.loss_and_gradient(position, batch, shared=False)
        risen = min(1.0, step / max(1, setting.warmup))
        left = min(1.0, (training.steps + 1 - step) / max(1, setting.anneal))
        of = _hyperparameters(setting, risen * left, position)
        position, memory = update(position, gradient, memory, of, decays, step)
    return position


def _hyperparameters(setting: Configuration, share: float, like: Tensor) -> Hyperparameters:
    adaptive = setting.optimizer == "adamw"
    return Hyperparameters(
        rate=like.new_tensor([[setting.learning_rate * share]]),
        momentum=like.new_tensor([[setting.betas[0] if adaptive else setting.momentum]]),
        second_decay=like.new_tensor([[setting.betas[1]]]),
        weight_decay=like.new_tensor([[setting.weight_decay]]),
    )
