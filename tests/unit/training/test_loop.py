"""Training: the optimizer is torch's, and a model's path depends on nothing beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Generator, Tensor

from stagewise.engine.machine_code import compiler
from stagewise.engine.noise import index_block
from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.seeds import generator
from stagewise.settings import SettingsError, build
from stagewise.testbeds import synthetic_language
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.training import fleet
from stagewise.training.fleet import BLOCK, DivergedTrainingError
from stagewise.training.loop import tokens_per_step, train
from stagewise.training.schedule import checkpoint_steps
from stagewise.training.training import Training

SAMPLES = 20


def network() -> Testbed:
    """Two-layer tanh regression on 20 samples."""
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, 3, generator=stream, dtype=torch.float64)
    data = {"x": x, "y": torch.sin(x.sum(1)) + 0.1 * x[:, 0]}

    def initial(stream: Generator) -> dict[str, Tensor]:
        return {
            "V": torch.randn(4, 3, generator=stream, dtype=torch.float64) / 2,
            "u": torch.randn(4, generator=stream, dtype=torch.float64) / 2,
            "c": torch.randn((), generator=stream, dtype=torch.float64),
        }

    return Testbed(
        name="network",
        losses=losses,
        data=data,
        initial=initial,
        metrics={"norm": lambda w, constants: w["V"].norm()},
    )


def losses(w: Any, constants: Any, batch: Any) -> Tensor:
    out = torch.tanh(batch["x"] @ w["V"].T) @ w["u"] + w["c"]
    return (out - batch["y"]).square() / 2


def run(*configurations: dict[str, Any], side_file: SideFile | None = None, **more: Any) -> Points:
    settings = {"configurations": list(configurations), "steps": 3 * BLOCK + 5} | more
    training = build(Training, settings, "training")
    return train(network(), training, seed=9, report=silent, side_file=side_file)


def path_of(points: Points, configuration: int, model: int) -> dict[str, Tensor]:
    """Parameters of one model at its checkpoints."""
    index = points.index
    rows = index[(index.configuration == configuration) & (index.model == model)].index
    return {name: tensor[torch.tensor(rows)] for name, tensor in points.parameters.items()}


@pytest.mark.parametrize("batch", [None, 6])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_torch(batch: int | None, momentum: float) -> None:
    """torch.optim.SGD on the same batches: equal to rounding over 53 steps."""
    points = run(
        {"learning_rate": 0.05, "batch": batch, "momentum": momentum},
        linear_checkpoints=4,
        models=2,
    )
    testbed = network()
    assert testbed.initial is not None
    for model in range(2):
        start = testbed.initial(generator(9, "initial", model))
        w = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
        optimizer = torch.optim.SGD(list(w.values()), lr=0.05, momentum=momentum)
        streams = [generator(9, "batch", 0, model)]
        visited = [{name: tensor.detach().clone() for name, tensor in w.items()}]
        for step in range(3 * BLOCK + 5):
            if step % BLOCK == 0 and batch is not None:
                picked = index_block(streams, BLOCK, SAMPLES, batch)
            data = testbed.data
            if batch is not None:
                data = {k: v[picked[0, step % BLOCK]] for k, v in data.items()}
            optimizer.zero_grad()
            losses(w, {}, data).mean().backward()
            optimizer.step()
            visited.append({name: tensor.detach().clone() for name, tensor in w.items()})
        found = path_of(points, 0, model)
        steps = points.index.loc[points.index.model == model, "step"].tolist()
        assert steps == checkpoint_steps(3 * BLOCK + 5, linear=4, logarithmic=0)
        for place, step in enumerate(steps):
            for name in w:
                torch.testing.assert_close(
                    found[name][place], visited[step][name], rtol=1e-10, atol=1e-12
                )


def test_models_and_configurations_are_independent() -> None:
    """Neither other models, other configurations nor more steps change a path (to rounding)."""
    one = {"learning_rate": 0.05, "batch": 6}
    two = {"learning_rate": 0.1, "batch": 6, "momentum": 0.5}
    three = {"learning_rate": 0.05}
    alone = run(one, linear_checkpoints=3)
    company = run(one, two, three, linear_checkpoints=3, models=3)
    for name, tensor in path_of(alone, 0, 0).items():
        torch.testing.assert_close(path_of(company, 0, 0)[name], tensor, rtol=1e-10, atol=1e-12)
    index = company.index
    assert index[["configuration", "model", "step"]].drop_duplicates().shape[0] == 3 * 3 * 4
    assert index.groupby("configuration").learning_rate.first().tolist() == [0.05, 0.1, 0.05]
    assert index.groupby("configuration").batch.first().tolist() == [6, 6, 0]
    # model m starts alike in every configuration, and models differ
    for name in company.parameters:
        starts = [path_of(company, c, m)[name][0] for c in range(3) for m in range(3)]
        for m in range(3):
            assert torch.equal(starts[m], starts[3 + m])
            assert torch.equal(starts[m], starts[6 + m])
        assert not torch.equal(starts[0], starts[1])


def test_index_tells_the_loss_and_the_metrics() -> None:
    points = run({"learning_rate": 0.05, "batch": 6}, linear_checkpoints=3, models=2)
    for row, record in points.index.iterrows():
        w = {name: tensor[row] for name, tensor in points.parameters.items()}
        full = float(losses(w, {}, network().data).mean())
        assert record.loss == pytest.approx(full, rel=1e-12)
        assert record["norm"] == pytest.approx(float(w["V"].norm()), rel=1e-12)


@pytest.mark.parametrize("descent", [{}, {"descend_from": 1.2, "descent_rate": 0.05}])
def test_target_losses_are_met(descent: dict[str, Any]) -> None:
    """To a millionth. A model that starts below a target (one of the three does) never falls to
    it and has no checkpoint there; a passage is where descent to the target began."""
    targets = [0.2, 0.1, 0.05]
    points = run(
        {"learning_rate": 0.05},
        {"learning_rate": 0.2},
        steps=2000,
        models=3,
        target_losses=targets,
        **descent,
    )
    met = points.index[points.index.kind == "target"]
    start = points.index[points.index.kind == "start"].set_index(["configuration", "model"]).loss
    assert (start < 0.2).any()
    for key, loss in start.items():
        part = met[(met.configuration == key[0]) & (met.model == key[1])].sort_values("target")
        ahead = [t for t in targets if t * descent.get("descend_from", 1) < loss]
        assert part.target.tolist() == sorted(ahead)
        assert (np.diff(part.step) <= 0).all()
    for row in met.index:
        w = {name: tensor[row] for name, tensor in points.parameters.items()}
        full = float(losses(w, {}, network().data).mean())
        assert full == pytest.approx(met.loc[row, "target"], abs=1e-6)
        assert met.loc[row, "loss"] == pytest.approx(full, rel=1e-9)


def test_divergence_is_named() -> None:
    with pytest.raises(DivergedTrainingError, match=r"configuration 1, model 0.*learning_rate"):
        run({"learning_rate": 0.01}, {"learning_rate": 1e200}, steps=100)


def single() -> Testbed:
    """The network in single precision."""
    wide = network()
    assert wide.initial is not None
    initial = wide.initial
    return replace(
        wide,
        data={name: tensor.float() for name, tensor in wide.data.items()},
        initial=lambda stream: {name: t.float() for name, t in initial(stream).items()},
        tokens=7,
    )


def test_half_precision_is_of_products_only() -> None:
    setting = {"learning_rate": 0.05, "batch": 6}
    found = {}
    for precision in ("full", "bfloat16"):
        settings = {"configurations": [setting], "steps": 40, "precision": precision}
        found[precision] = train(
            single(), build(Training, settings, "training"), seed=9, report=silent
        )
    whole, half = found["full"], found["bfloat16"]
    assert half.parameters["V"].dtype == torch.float32
    moved = (whole.parameters["V"][-1] - whole.parameters["V"][0]).norm()
    apart = (whole.parameters["V"][-1] - half.parameters["V"][-1]).norm()
    assert 0 < apart < 0.05 * moved
    last = {name: tensor[-1] for name, tensor in half.parameters.items()}
    full = float(losses(last, {}, single().data).mean())
    assert half.index["loss"].iloc[-1] == pytest.approx(full, rel=1e-6), "reported in full"


def test_half_precision_is_not_for_double() -> None:
    with pytest.raises(SettingsError, match=r"precision: bfloat16 .* network are float64"):
        run({"learning_rate": 0.05}, precision="bfloat16")


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_our_kernels_train_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model too large for the cache, by our own kernels where the run repays loading them."""
    testbed = synthetic_language.build({"train": 256, "test": 8, "alone": 8, "refined": 8}, seed=1)
    setting = {"optimizer": "adamw", "learning_rate": 3e-3, "batch": 32}
    training = build(Training, {"configurations": [setting], "steps": 10, "models": 2}, "training")

    def decide(choice: str, *, steps: int, cost: Any) -> bool:
        asked.append(steps)
        return len(asked) == 2

    asked: list[int] = []
    monkeypatch.setattr(fleet, "multiplies", decide)
    found = [train(testbed, training, seed=9, report=silent) for _ in range(2)]
    assert asked == [20, 20]  # of both models
    moved = apart = 0.0
    for name, (start, end) in ((n, t[[0, -1]]) for n, t in found[0].parameters.items()):
        moved += float((end - start).square().sum())
        apart += float((found[1].parameters[name][-1] - end).square().sum())
    assert 0 < apart < 1e-4 * moved


def test_tokens_of_a_step() -> None:
    settings = {
        "configurations": [{"learning_rate": 0.1, "batch": 6}, {"learning_rate": 0.1}],
        "steps": 1,
        "models": 2,
    }
    training = build(Training, settings, "training")
    assert tokens_per_step(single(), training) == 2 * (6 + SAMPLES) * 7
    assert tokens_per_step(network(), training) is None


class Stop(Exception):
    """Stands for a kill."""


class Killed(SideFile):
    """Saves whenever it may and is killed after a given number of saves."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path, "work")
        self.left = after

    def due(self) -> bool:
        return True

    def save(self, tensors: Any, counters: Any) -> None:
        super().save(tensors, counters)
        self.left -= 1
        if self.left == 0:
            raise Stop


def test_resumed_after_a_kill_at_every_block(tmp_path: Path) -> None:
    """Two groups of configurations of four blocks each; momentum, targets and streams go on."""
    configurations = [
        {"learning_rate": 0.1, "batch": 6, "momentum": 0.5},
        {"learning_rate": 0.05},
        {"learning_rate": 0.02, "batch": 6},
    ]
    more: dict[str, Any] = {
        "models": 2,
        "linear_checkpoints": 5,
        "target_losses": [0.5, 0.2],
        "evaluate_every": 5,
    }
    whole = run(*configurations, **more)
    assert whole.index.target.notna().any()
    kills = 0
    for after in range(1, 20):
        path = tmp_path / f"{after}.unfinished"
        try:
            run(*configurations, side_file=Killed(path, after), **more)
        except Stop:
            kills += 1
            resumed = run(*configurations, side_file=SideFile(path, "work"), **more)
            pd.testing.assert_frame_equal(whole.index, resumed.index, rtol=0, atol=0)
            for name, tensor in whole.parameters.items():
                assert torch.equal(tensor, resumed.parameters[name])
    assert kills == 8


def test_schedule() -> None:
    assert checkpoint_steps(100, linear=4, logarithmic=0) == [0, 25, 50, 75, 100]
    assert checkpoint_steps(100, linear=0, logarithmic=3) == [0, 1, 10, 100]
    assert checkpoint_steps(7, linear=0, logarithmic=0) == [0, 7]
    both = checkpoint_steps(1000, linear=10, logarithmic=20)
    assert both == sorted(set(both))
    assert {0, 100, 1, 1000} <= set(both)
    assert checkpoint_steps(3, linear=50, logarithmic=50) == [0, 1, 2, 3]
