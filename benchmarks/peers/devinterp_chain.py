"""The same SGLD update by devinterp 2.0.1: its own chain loop, one chain after another."""

import contextlib
import io
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class _Model(nn.Module):
    """The losses of a workload as a module."""

    def __init__(self, workload: Any) -> None:
        super().__init__()
        self._names = {name: name.replace(".", "_") for name in workload.weights}
        for name, tensor in workload.weights.items():
            self.register_parameter(self._names[name], nn.Parameter(tensor.clone()))
        self._losses = workload.losses

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        w = {name: getattr(self, own) for name, own in self._names.items()}
        return self._losses(w, {}, batch)


class _Data(torch.utils.data.Dataset):  # type: ignore[type-arg]
    def __init__(self, workload: Any) -> None:
        self._data = workload.data

    def __len__(self) -> int:
        return len(next(iter(self._data.values())))

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        row = {name: tensor[place] for name, tensor in self._data.items()}
        return {"input_ids": next(iter(row.values())), **row}


def prepare(
    name: str, workload: Any, steps: int, *, epsilon: float, nbeta: float, gamma: float
) -> Callable[[], None]:
    """A call that makes `steps` steps of one chain, recording the loss of each."""
    from devinterp.optim import SGMCMC
    from devinterp.slt.sampler import sample_single_chain

    model, data = _Model(workload), _Data(workload)
    masks = dict.fromkeys(dict(model.named_parameters()))
    settings = {"lr": epsilon, "nbeta": nbeta, "localization": gamma}
    losses: list[float] = []

    def evaluate(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, Any]:
        return model({key: batch[key] for key in workload.data}), {}

    def call() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            sample_single_chain(
                model,
                data,
                evaluate,
                masks,
                num_draws=steps,
                sampling_method=SGMCMC.sgld,
                sampling_method_kwargs=settings,
                batch_size=workload.batch,
                seed=0,
                callbacks=[lambda loss, **rest: losses.append(float(loss.mean()))],
            )

    os.environ.setdefault("TQDM_DISABLE", "1")
    return call
