"""The optimizers against PyTorch's own, through the training loop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.testbeds.testbed import Testbed
from stagewise.training.loop import train
from stagewise.training.training import Configuration, Training

STREAM = torch.Generator().manual_seed(0)
DATA = {
    "x": torch.randn(40, 3, generator=STREAM, dtype=torch.float64),
    "y": torch.randn(40, generator=STREAM, dtype=torch.float64),
}


def losses(w: Any, constants: Any, batch: Any) -> Tensor:
    return (torch.tanh(batch["x"] @ w["V"].T + w["c"]).sum(-1) - batch["y"]).square()


def initial(stream: torch.Generator) -> dict[str, Tensor]:
    return {
        "V": torch.randn(4, 3, generator=stream, dtype=torch.float64),
        "c": torch.randn(4, generator=stream, dtype=torch.float64),
    }


BED = Testbed("tanh", losses, DATA, initial=initial)


def trained(configurations: list[dict[str, Any]], side_file: Any = None, **changes: Any) -> Any:
    settings: dict[str, Any] = {"steps": 60, "linear_checkpoints": 6} | changes
    built = [Configuration(**setting) for setting in configurations]
    return train(BED, Training(built, **settings), seed=3, report=silent, side_file=side_file)


@pytest.mark.parametrize(
    ("setting", "reference"),
    [
        (
            {"optimizer": "adamw", "weight_decay": 0.1, "betas": [0.8, 0.95]},
            lambda groups: torch.optim.AdamW(groups, lr=0.02, betas=(0.8, 0.95)),
        ),
        ({"momentum": 0.7}, lambda groups: torch.optim.SGD(groups, lr=0.02, momentum=0.7)),
    ],
)
@pytest.mark.parametrize(("warmup", "anneal"), [(0, 0), (25, 0), (25, 20)])
def test_against_torch(setting: dict[str, Any], reference: Any, warmup: int, anneal: int) -> None:
    """60 steps on all data, beside a model of another optimizer, which must not matter."""
    other = {"learning_rate": 0.01, "momentum": 0.3}
    mine_of_all = {"learning_rate": 0.02, "warmup": warmup, "anneal": anneal}
    points = trained([other, setting | mine_of_all])
    mine = points.places({"configuration": 1})
    weights = {name: tensor[mine[0]].clone() for name, tensor in points.parameters.items()}
    for tensor in weights.values():
        tensor.requires_grad_()
    decay = setting.get("weight_decay", 0.0)
    optimizer = reference(
        [
            {"params": [weights["V"]], "weight_decay": decay},
            {"params": [weights["c"]], "weight_decay": 0.0},
        ]
    )
    for step in range(1, 61):
        for group in optimizer.param_groups:
            left = (61 - step) / max(1, anneal)
            group["lr"] = 0.02 * min(1, step / max(1, warmup)) * min(1, left)
        optimizer.zero_grad()
        losses(weights, {}, DATA).mean().backward()
        optimizer.step()
    for name, tensor in weights.items():
        torch.testing.assert_close(points.parameters[name][mine[-1]], tensor.detach())


class Stop(Exception):
    pass


class Killed(SideFile):
    def due(self) -> bool:
        return True

    def save(self, tensors: Any, counters: Any) -> None:
        super().save(tensors, counters)
        raise Stop


def test_resumed_adamw_is_the_same(tmp_path: Path) -> None:
    setting = {"learning_rate": 0.02, "optimizer": "adamw", "batch": 7, "warmup": 30}
    with pytest.raises(Stop):
        trained([setting], Killed(tmp_path / "side", "work"))
    again, whole = trained([setting], SideFile(tmp_path / "side", "work")), trained([setting])
    for name in whole.parameters:
        assert torch.equal(again.parameters[name], whole.parameters[name])
    np.testing.assert_array_equal(again.index["loss"], whole.index["loss"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"weight_decay": 0.1}, "weight_decay: only adamw"),
        ({"optimizer": "adamw", "momentum": 0.5}, "momentum: adamw has"),
        ({"optimizer": "adamw", "betas": [0.9, 1.0]}, "betas: must be two"),
        ({"warmup": -1}, "warmup: must not"),
    ],
)
def test_settings_that_make_no_sense(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Configuration(learning_rate=0.1, **setting)
