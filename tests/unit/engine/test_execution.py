"""When steps are compiled, and what happens where they cannot be."""

import logging
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from stagewise.engine import execution, own_operations
from stagewise.engine.cost import CACHE, Cost, cost
from stagewise.samplers.target import Info, State

SMALL, LARGE = Cost(10, 10**4), Cost(200, 10**6)


def test_cost_counts_operations_and_what_they_write() -> None:
    x = torch.ones(3, 5, dtype=torch.float64)
    found = cost(lambda: (x + 1).exp().T.reshape(15)[2:])
    # sum, exponential, and the copy that reshape makes, once or twice; views write nothing
    assert found.written in (3 * 15 * 8, 4 * 15 * 8)
    assert 4 <= found.operations <= 7


def test_cost_says_what_our_kernels_can_write() -> None:
    x = torch.ones(3, 3)
    found = cost(lambda: (x @ x + 1).logsumexp(-1))
    assert (found.written, found.ours) == (36 + 36 + 12, 36 + 12)
    both = found.times(5)
    assert (both.operations, both.written, both.ours) == (found.operations, 420, 240)


def test_cost_of_a_gradient_includes_the_way_back() -> None:
    w = torch.ones(7, requires_grad=True)
    forward = cost(lambda: (w * w).sum())
    both = cost(lambda: torch.autograd.grad((w * w).sum(), w))
    assert both.operations > 2 * forward.operations - 1
    assert both.written > 2 * forward.written


def test_compiling_must_be_repaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "compiler", lambda: "g++")
    assert not execution.compiles("auto", steps=1000, cost=SMALL)
    assert execution.compiles("auto", steps=10**6, cost=SMALL)
    assert not execution.compiles("auto", steps=1000, cost=LARGE)
    assert execution.compiles("auto", steps=10**5, cost=LARGE)
    assert execution.compiles("compiled", steps=1, cost=SMALL)
    assert not execution.compiles("eager", steps=10**9, cost=LARGE)


HALF_OURS = Cost(300, 2 * CACHE, CACHE)
THEIRS = Cost(300, 2 * CACHE, CACHE // 4)


@pytest.mark.parametrize(
    ("one", "changes", "expected"),
    [
        (HALF_OURS, {}, execution.Mode(compile=False, alone=True, own=True)),
        (THEIRS, {}, execution.Mode(compile=True, alone=False, own=False)),
        (THEIRS, {"steps": 100}, execution.Mode(compile=False, alone=True, own=True)),
        (HALF_OURS, {"steps": 1}, execution.Mode(compile=False, alone=True, own=False)),
        (HALF_OURS, {"choice": "compiled"}, execution.Mode(compile=True, alone=False, own=False)),
        (HALF_OURS, {"choice": "eager"}, execution.Mode(compile=False, alone=True, own=False)),
        (HALF_OURS, {"device": "cuda"}, execution.Mode(compile=True, alone=False, own=False)),
        (Cost(10, 1000, 500), {}, execution.Mode(compile=True, alone=False, own=False)),
        (Cost(10, 1000, 500), {"choice": "eager"}, execution.EAGER),
    ],
)
def test_how_steps_are_made(
    one: Cost, changes: dict[str, Any], expected: execution.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "compiler", lambda: "g++")
    monkeypatch.setattr(execution, "usable", lambda: True)
    choice = changes.get("choice", "auto")
    device, steps = changes.get("device", "cpu"), changes.get("steps", 10**6)
    assert execution.mode_of(choice, device=device, steps=steps, one=one, rows=4) == expected


def test_without_a_compiler_steps_run_uncompiled_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with caplog.at_level(logging.INFO, "stagewise"):
        assert not execution.compiles("compiled", steps=1, cost=SMALL)
        assert not execution.compiles("auto", steps=10**9, cost=LARGE)
        assert not execution.compiles("auto", steps=1, cost=SMALL)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 2  # the last would not have been compiled anyway
    assert all("no C++ compiler" in message for message in said)


def test_a_compiler_that_fails_is_gone_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("internal compiler error\nmany more lines")

    def move(
        state: State, noise: Tensor, picked: Tensor | None, rows: execution.Rows
    ) -> tuple[State, Info]:
        return state, Info(state.loss)

    monkeypatch.setattr(execution, "_compiled", fails)
    state = State(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 3))
    assert execution.compiled(move, (state, torch.zeros(2, 3), None, {})) is move
    (said,) = caplog.records
    assert said.getMessage() == (
        "cannot compile (RuntimeError: internal compiler error): the steps run uncompiled"
    )


def test_own_kernels_must_be_repaid_and_can_be_gone_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(execution, "compiler", lambda: "g++")
    monkeypatch.setattr(execution, "usable", lambda: True)
    assert execution.multiplies("auto", steps=10**5, cost=LARGE)
    assert not execution.multiplies("auto", steps=10, cost=LARGE)
    assert not execution.multiplies("eager", steps=10**5, cost=LARGE)

    def fails(*given: object) -> None:
        raise RuntimeError("internal compiler error\nmany more lines")

    monkeypatch.undo()
    monkeypatch.setattr(execution, "compiler", lambda: "g++")
    monkeypatch.setattr(own_operations.products, "multiplied", fails)
    own_operations.usable.cache_clear()
    assert not execution.multiplies("auto", steps=10**5, cost=LARGE)
    assert caplog.records[-1].getMessage() == (
        "cannot compile (RuntimeError: internal compiler error): torch's kernels are used"
    )
    own_operations.usable.cache_clear()
    monkeypatch.setattr(execution, "compiler", lambda: None)
    assert not execution.multiplies("auto", steps=10**5, cost=LARGE)


EAGER = """
import sys
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds import polynomial

testbed = polynomial.build({"kind": "sum", "potentials": [{"k": [2, 4]}]}, 0)
settings = Sampling("sgld", 64, 0, 2, 1.0, epsilon=1e-3, n=[100.0])
sample(testbed, testbed.points(), sgld, settings, seed=0, report=silent)
print(sorted({"torch._dynamo", "torch._inductor"} & set(sys.modules)))
"""


def test_short_runs_do_not_pay_for_the_compiler() -> None:
    """Importing it takes longer than most runs."""
    done = subprocess.run([sys.executable, "-c", EAGER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stdout
