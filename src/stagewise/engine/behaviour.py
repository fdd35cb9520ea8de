"""What the checkpoints of a run do: their scores, and their outputs on a fixed batch."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.execution import repaid_operations
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

Scores = Literal["behaviour", "ablations"]
ABOUT: dict[Scores, str] = {"behaviour": "can do", "ablations": "loses without a component"}


def _models(points: Points) -> Iterator[dict[str, Tensor]]:
    for row in range(len(points)):
        yield {name: tensor[row] for name, tensor in points.parameters.items()}


def score_table(testbed: Testbed, points: Points, name: Scores) -> pd.DataFrame:
    """One row per checkpoint: the index columns, and one column per score of that name of the
    testbed, which takes the place of an index column of its name."""
    score = getattr(testbed, name)
    if score is None:
        raise SettingsError(f"{name}: {testbed.name} has no scores of what a model {ABOUT[name]}")
    one = partial(score, next(_models(points)))
    with torch.no_grad(), repaid_operations(one, calls=len(points)):
        scores = pd.DataFrame([score(model) for model in _models(points)])
    return points.index.drop(columns=scores.columns, errors="ignore").join(scores)


def outputs(testbed: Testbed, points: Points) -> xr.Dataset:
    """`outputs` (checkpoint, output), the outputs of every checkpoint on the testbed's fixed batch,
    with the columns of the index as coordinates of `checkpoint`."""
    if testbed.outputs is None:
        raise SettingsError(f"outputs: {testbed.name} has no outputs on a fixed batch")
    with torch.no_grad():
        whole = torch.stack([testbed.outputs(model) for model in _models(points)])
    columns = {
        str(name): ("checkpoint", values.to_numpy()) for name, values in points.index.items()
    }
    return xr.Dataset({"outputs": (("checkpoint", "output"), whole.numpy())}, coords=columns)
