"""Settings: every mistake is one message that names the key."""

import pickle
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from stagewise.engine.sampling import Sampling
from stagewise.settings import SettingsError, build, lines
from stagewise.training.training import Configuration, Training


@dataclass(frozen=True)
class Inner:
    size: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size: must be at least 1, got {self.size}")


@dataclass(frozen=True)
class Outer:
    rate: float
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    widths: list[int] = field(default_factory=list)
    inner: Inner | None = None
    several: list[Inner] = field(default_factory=list)
    free: dict[str, Any] = field(default_factory=dict)


def test_built() -> None:
    values = {
        "rate": 1,
        "kind": "b",
        "widths": [1, 2],
        "inner": {"size": 3},
        "several": [{"size": 4}, {}],
        "free": {"x": None},
    }
    assert build(Outer, values, "here") == Outer(
        1, "b", False, [1, 2], Inner(3), [Inner(4), Inner()], {"x": None}
    )
    assert build(Outer, {"rate": 0.5, "inner": None}, "here").inner is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "here.rate: missing"),
        ({"rate": 1, "rte": 2}, "here.rte: unknown setting; expected rate, kind"),
        ({"rate": "1"}, "here.rate: expected float, got '1'"),
        ({"rate": True}, "here.rate: expected float, got True"),
        ({"rate": 1, "kind": "c"}, "here.kind: expected"),
        ({"rate": 1, "flag": 1}, "here.flag: expected bool, got 1"),
        ({"rate": 1, "widths": [1, 2.5]}, "here.widths: expected"),
        ({"rate": 1, "widths": 3}, "here.widths: expected"),
        ({"rate": 1, "inner": 3}, "here.inner: expected"),
        ({"rate": 1, "inner": {"sze": 3}}, "here.inner.sze: unknown setting"),
        ({"rate": 1, "inner": {"size": 0}}, "here.inner.size: must be at least 1, got 0"),
        ({"rate": 1, "several": [{}, {"size": -1}]}, "here.several.1.size: must be at least 1"),
        ({"rate": 1, "free": [1]}, "here.free: expected"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace(".", r"\.").replace("[", r"\[")):
        build(Outer, values, "here")


SAMPLING: dict[str, Any] = {
    "kernel": "sgld",
    "steps": 100,
    "burn_in": 10,
    "chains": 2,
    "localization": 1.0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"chains": 0},
        {"thin": 0},
        {"burn_in": 100},
        {"burn_in": -1},
        {"localization": -1.0},
        {"localization": 0.0, "start": "tether"},
        {"epsilon": 0.0},
        {"epsilon": 4.0, "epsilon_unit": "curvature"},
        {"n": [1]},
        {"n": [100, 100]},
        {"beta": -0.1},
        {"batch": 0},
        {"epsilon_unit": "metres"},
    ],
)
def test_samplings_that_make_no_sense(change: dict[str, Any]) -> None:
    build(Sampling, SAMPLING, "sampling")  # itself it does
    with pytest.raises(SettingsError, match=rf"^sampling\.({'|'.join(change)}): "):
        build(Sampling, SAMPLING | change, "sampling")


def test_draws_and_temperatures() -> None:
    found = build(Sampling, SAMPLING | {"thin": 7}, "sampling")
    assert found.draws == len(range(10, 100, 7))
    assert found.nbeta(1000) == pytest.approx(1000 / 6.907755279)
    assert build(Sampling, SAMPLING | {"beta": 0.5}, "s").nbeta(10) == 5


def test_lines_are_sorted_and_flat() -> None:
    values = {"b": 1, "a": {"y": [1, 2], "x": {}}, "c": [{"k": 1}, {"k": None}]}
    assert lines(values) == ["a.x = {}", "a.y = [1, 2]", "b = 1", "c.0.k = 1", "c.1.k = None"]
    turned = {"c": values["c"], "a": {"x": {}, "y": [1, 2]}, "b": 1}
    assert lines(turned) == lines(values)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"models": 0}, {"configurations": []}, {"target_losses": [0.1, 0.2]}],
)
def test_trainings_that_make_no_sense(change: dict[str, Any]) -> None:
    sound = {"configurations": [{"learning_rate": 0.1}], "steps": 10}
    assert build(Training, sound, "training").configurations == [Configuration(0.1)]
    with pytest.raises(SettingsError, match=rf"^training\.{next(iter(change))}: must"):
        build(Training, sound | change, "training")


def test_settings_survive_another_process() -> None:
    """Jobs are other processes: what they are given is pickled."""
    found = build(Sampling, SAMPLING, "sampling")
    assert pickle.loads(pickle.dumps(found)) == found
