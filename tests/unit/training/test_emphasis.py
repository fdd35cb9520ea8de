"""Emphasis: what is drawn instead, when, and that nothing else changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.settings import SettingsError, build
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.training.emphasis import distinct, emphasise, twins
from stagewise.training.fleet import BLOCK
from stagewise.training.loop import train
from stagewise.training.training import Configuration, Emphasis, Training

STEPS = 3 * BLOCK + 5
PLAIN: dict[str, Any] = {"learning_rate": 0.25, "batch": 8}


def emphasis(share: float, start: int, end: int, distribution: str = "ones") -> dict[str, Any]:
    return {"distribution": distribution, "share": share, "start": start, "end": end}


def slope() -> Testbed:
    """Loss w x: the gradient is the minibatch's mean of x, which is 0 but in `ones`, `numbers`."""

    def initial(stream: Generator) -> dict[str, Tensor]:
        return {"w": torch.zeros(1, dtype=torch.float64)}

    return Testbed(
        name="slope",
        losses=lambda w, constants, batch: w["w"] * batch["x"],
        data={"x": torch.zeros(50, dtype=torch.float64)},
        distributions={
            "ones": {"x": torch.ones(7, dtype=torch.float64)},
            "numbers": {"x": torch.linspace(1, 2, 30, dtype=torch.float64)},
        },
        initial=initial,
    )


def noisy() -> Testbed:
    """The same on numbers that differ, so that the path tells what was drawn."""
    return replace(slope(), data={"x": torch.arange(50, dtype=torch.float64)})


def run(
    testbed: Testbed, *configurations: dict[str, Any], side_file: SideFile | None = None
) -> Points:
    settings = {
        "configurations": list(configurations),
        "steps": STEPS,
        "linear_checkpoints": STEPS,
        "models": 2,
    }
    training = build(Training, settings, "training")
    return train(testbed, training, seed=3, report=silent, side_file=side_file)


def path(points: Points, configuration: int, model: int = 0) -> Tensor:
    """The weight after 0, 1, ... steps."""
    rows = points.index.query(f"configuration == {configuration} and model == {model}").index
    return points.parameters["w"][torch.tensor(rows), 0]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_the_share_is_there_in_the_window_only(share: float) -> None:
    points = run(slope(), PLAIN, PLAIN | {"emphasis": emphasis(share, 10, 25)})
    steps = torch.arange(STEPS + 1).clamp(10, 25) - 10
    expected = -PLAIN["learning_rate"] * share * steps.double()
    torch.testing.assert_close(path(points, 1), expected)
    assert (path(points, 0) == 0).all()


def test_other_batches_are_those_of_the_twin() -> None:
    """Bit for bit up to the window; the same steps after it; and in it the rest of each batch."""
    late = PLAIN | {"emphasis": emphasis(0.5, 20, 30)}
    points = run(noisy(), PLAIN | {"momentum": 0.0}, late)
    for model in range(2):
        plain, other = path(points, 0, model), path(points, 1, model)
        assert torch.equal(plain[:21], other[:21])
        torch.testing.assert_close(plain[30:].diff(), other[30:].diff())
        inside = other[20:31].diff() - plain[20:31].diff()
        assert (inside != 0).all()
    assert not torch.equal(path(points, 0, 0), path(points, 0, 1))


def test_the_rest_of_a_batch_is_left_alone() -> None:
    setting = build(Configuration, PLAIN | {"emphasis": emphasis(0.5, 0, 2, "numbers")}, "")
    plain = build(Configuration, PLAIN, "")
    batch = {"x": torch.zeros(3, 8, dtype=torch.float64)}
    keys = [(0, 0), (0, 1), (0, 0)]
    emphasise(batch, slope(), [setting, setting, plain], keys, seed=0, step=1)
    assert (batch["x"][:2, :4] != 0).all()
    assert (batch["x"][:, 4:] == 0).all()
    assert (batch["x"][2] == 0).all()
    assert not torch.equal(batch["x"][0], batch["x"][1])


def test_no_emphasis_elsewhere_changes_nothing() -> None:
    alone = run(noisy(), PLAIN)
    company = run(noisy(), PLAIN, PLAIN | {"emphasis": emphasis(0.5, 5, 9)})
    assert torch.equal(path(alone, 0), path(company, 0))


def test_twins() -> None:
    plain, fast = (Configuration(learning_rate=rate, batch=8) for rate in (0.1, 0.2))
    early = replace(plain, emphasis=Emphasis(**emphasis(0.5, 0, 5)))
    late = replace(plain, emphasis=Emphasis(**emphasis(0.5, 5, 10)))
    assert twins([plain, early, late]) == [0, 0, 0]
    assert twins([fast, plain, early, plain]) == [0, 1, 1, 3]  # equals see batches of their own
    assert twins([fast, early, late]) == [0, 1, 1]


def test_what_is_still_the_same_is_trained_once() -> None:
    plain = Configuration(learning_rate=0.1, batch=8)
    early = replace(plain, emphasis=Emphasis(**emphasis(0.5, 0, 5)))
    late = replace(plain, emphasis=Emphasis(**emphasis(0.5, 5, 10)))
    settings = [plain, plain, early, late, late]
    keys = [(0, 0), (0, 1), (0, 0), (0, 0), (0, 1)]
    assert distinct(settings, keys, 1) == ([0, 1, 2], [0, 1, 2, 0, 1])
    assert distinct(settings, keys, 5) == ([0, 1, 2], [0, 1, 2, 0, 1])
    assert distinct(settings, keys, 6) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    # after an emphasis what it told apart stays apart
    assert distinct(settings, keys, 99)[0] == [0, 1, 2, 3, 4]
    # without the plain one the others still share what comes before
    assert distinct([late, late], [(0, 0), (0, 0)], 3) == ([0], [0, 0])


class Stop(Exception):
    """Stands for a kill."""


class Killed(SideFile):
    """Killed at its first save."""

    def due(self) -> bool:
        return True

    def save(self, tensors: Any, counters: Any) -> None:
        super().save(tensors, counters)
        raise Stop


def test_resumed_bit_for_bit(tmp_path: Path) -> None:
    """Killed after the first block, in the middle of a window."""
    arms = (PLAIN, PLAIN | {"emphasis": emphasis(0.5, 10, 25, "numbers")})
    testbed = noisy()
    whole = run(testbed, *arms)
    file = tmp_path / "unfinished"
    with pytest.raises(Stop):
        run(testbed, *arms, side_file=Killed(file, "work"))
    resumed = run(testbed, *arms, side_file=SideFile(file, "work"))
    assert torch.equal(whole.parameters["w"], resumed.parameters["w"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"emphasis": emphasis(1.5, 0, 5)}, r"emphasis\.share: must be in \(0, 1\]"),
        ({"emphasis": emphasis(0.5, 5, 5)}, r"emphasis\.end: must be beyond start = 5"),
        ({"emphasis": emphasis(0.5, 5, 500)}, r"emphasis\.end: 500 is beyond steps"),
        ({"emphasis": emphasis(0.5, 0, 5), "batch": None}, "emphasis: is on minibatches"),
        ({"emphasis": emphasis(0.5, 0, 5, "twos")}, "no data of 'twos'; it has ones, numbers"),
    ],
)
def test_what_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run(slope(), PLAIN | wrong)


def test_models_that_are_still_the_same_are_measured_once() -> None:
    """Losses and metrics of every row, but of what the emphasis has not told apart yet once."""
    measured: list[float] = []

    def metric(w: Any, constants: Any) -> Tensor:
        measured.append(float(w["w"]))
        return 2 * w["w"].sum()

    testbed = replace(noisy(), metrics={"twice": metric})
    points = run(testbed, PLAIN, PLAIN | {"emphasis": emphasis(1.0, 20, 30)})
    weights = points.parameters["w"][:, 0]
    torch.testing.assert_close(torch.tensor(points.index["twice"]), 2 * weights)
    torch.testing.assert_close(torch.tensor(points.index["loss"]), 24.5 * weights)
    each = measured[1:]  # the first is to count what one costs
    assert sorted(each) == sorted(set(weights.tolist()))
    assert len(each) < len(weights)
