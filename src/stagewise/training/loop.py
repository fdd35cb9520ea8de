"""The one training loop: many small models as one batched program, with checkpoints."""

from functools import partial
from itertools import groupby

import pandas as pd
import torch
from torch import Tensor

from stagewise.engine.execution import repaid_operations
from stagewise.engine.flat import Shapes, unflatten
from stagewise.progress import Report
from stagewise.resume import SideFile
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.training.descent import descended
from stagewise.training.fleet import Fleet, kind
from stagewise.training.training import Training


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
    weights in every configuration. The steps of a model depend on its configuration's place (with
    an emphasis: on that of the first that differs in it alone), its number and the seed only.
    """
    numbered = list(enumerate(training.configurations))
    groups = [
        list(group)
        for _, group in groupby(
            sorted(numbered, key=lambda item: kind(item[1])), lambda item: kind(item[1])
        )
    ]
    finished: list[tuple[pd.DataFrame, Tensor]] = []
    tensors, counters = (side_file and side_file.load()) or ({}, {"group": 0, "step": 0})
    for number, group in enumerate(groups):
        fleet = Fleet(testbed, training, group, seed=seed)
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
    return _points(testbed, index, position, fleet.shapes)


def tokens_per_step(testbed: Testbed, training: Training) -> int | None:
    """Tokens that a step of all models sees; None where samples are not sequences of tokens."""
    if testbed.tokens is None:
        return None
    seen = sum(c.batch or testbed.samples or 0 for c in training.configurations)
    return training.models * seen * testbed.tokens


def _joined(parts: list[tuple[pd.DataFrame, Tensor]]) -> tuple[pd.DataFrame, Tensor]:
    index = pd.concat([index for index, _ in parts], ignore_index=True)
    order = index.sort_values(["configuration", "model", "step"], kind="stable").index
    position = torch.cat([position for _, position in parts])
    return index.loc[order].reset_index(drop=True), position[torch.tensor(order.to_numpy())]


def _points(testbed: Testbed, index: pd.DataFrame, position: Tensor, shapes: Shapes) -> Points:
    """The checkpoints with the metrics of the testbed, of equal weights measured once."""
    some, place = position.unique(dim=0, return_inverse=True)
    models = [unflatten(one, shapes) for one in some]
    with torch.no_grad():
        for name, metric in testbed.metrics.items():
            with repaid_operations(partial(metric, models[0], {}), calls=len(models)):
                found = [float(metric(model, {})) for model in models]
            index[name] = [found[at] for at in place.tolist()]
    return Points(unflatten(position, shapes), index)
