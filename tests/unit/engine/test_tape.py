"""Functions from a tape against the same functions called."""

import logging

import pytest
import torch

from stagewise.engine import small_products, tape
from stagewise.engine.cost import cost
from stagewise.engine.machine_code import compiler
from stagewise.engine.own_operations import own_operations
from stagewise.engine.program import Program
from stagewise.engine.recorder import UnrecordableError
from stagewise.engine.replayed import SEVERAL, Replayed
from stagewise.engine.tape import Tape
from stagewise.models import attention_only


def inputs(seed):
    stream = torch.Generator().manual_seed(seed)
    return {
        "a": torch.randn(6, 8, generator=stream),
        "b": torch.randn(8, 8, generator=stream),
        "picked": torch.randint(0, 6, (5,), generator=stream),
    }


def function(given):
    """Views, results in place, several results of one operation, memory that is used again."""
    left = given["a"][1:].T.reshape(5, 8)
    scaled = (left @ given["b"]).relu_()
    highest, place = scaled.max(dim=1)
    tall = (highest * 2).unsqueeze_(1)
    highest = highest + tall.squeeze_(1)
    total = torch.zeros(6, 8).index_add_(0, given["picked"], scaled)
    total[2] = highest.sum()
    first, second = total.split(3)
    joined = torch.cat([first * 2, second.flip(0)]).softmax(-1)
    return joined.log().sum(0), place, given["a"].mean()


def gradient(given):
    free = given["b"].detach().requires_grad_()
    with torch.enable_grad():
        loss = ((given["a"] @ free).tanh() @ free.T).square().mean()
        return (loss.detach(), *torch.autograd.grad(loss, free))


@pytest.mark.parametrize("called", [function, gradient])
def test_a_tape_gives_the_same_numbers_on_other_inputs(called):
    recorded = Tape(called, inputs(0))
    for seed in (1, 2, 0):
        expected = called(inputs(seed))
        for again in recorded(inputs(seed)), recorded(inputs(seed)):
            assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))


def test_memory_is_used_again():
    def long(given):
        for _ in range(50):
            given = {"a": given["a"].sin()}
        return (given["a"],)

    one = {"a": torch.ones(1000)}
    assert Tape(long, one).bytes == 2 * one["a"].nbytes


@pytest.mark.parametrize(
    "called",
    [
        lambda given: (given["a"] * torch.rand(6, 8),),
        lambda given: (given["a"] * given["a"].sum().item(),),
        lambda given: (given["a"][given["a"] > 0],),
        lambda given: (given["a"][given["a"] > 0].sum(),),
        lambda given: (given["a"].nonzero(),),
    ],
)
def test_what_a_tape_cannot_repeat_is_not_recorded(called):
    with pytest.raises(UnrecordableError):
        Tape(called, inputs(0))


@pytest.mark.parametrize(("most", "why"), [(700, "writes much"), (400, "reads much")])
def test_what_writes_or_reads_much_is_not_recorded(most, why, monkeypatch):
    monkeypatch.setattr(tape, "MOST", most)
    with pytest.raises(UnrecordableError, match=why):
        Tape(function, inputs(0))
    replayed = Replayed(lambda _, given: function(given))
    for seed in range(5):
        found, expected = replayed(None, inputs(seed)), function(inputs(seed))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_tape_is_used_from_the_third_call_on():
    calls = []
    replayed = Replayed(lambda kind, given: calls.append(kind) or function(given))
    counts = []
    for seed in range(5):
        found, expected = replayed("one", inputs(seed)), function(inputs(seed))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        counts.append(len(calls))
    assert counts == [1, 3, 3, 3, 3]  # the second call is recorded beside
    replayed("another", inputs(0))
    assert calls[-1] == "another"
    longer = {**inputs(0), "picked": torch.tensor([0, 1, 2, 3, 4])[:, None][:, 0].int()}
    assert torch.equal(replayed("one", longer)[0], function(longer)[0])
    assert len(calls) == 5


def test_ever_other_shapes_keep_few_tapes():
    calls = []
    replayed = Replayed(lambda _, given: calls.append(1) or (given["a"] * 2,))
    for size in range(1, 20):
        for _ in range(5):
            assert torch.equal(replayed(None, {"a": torch.ones(size)})[0], 2 * torch.ones(size))
    assert len(calls) == SEVERAL * 3 + (19 - SEVERAL) * 5


def test_a_function_with_a_memory_of_its_own_is_called(caplog):
    calls = []

    def counting(_, given):
        calls.append(1)
        return (given["a"] + len(calls),)

    replayed = Replayed(counting)
    with caplog.at_level(logging.INFO, "stagewise"):
        found = [replayed(None, inputs(0))[0] - inputs(0)["a"] for _ in range(4)]
    assert "other numbers" in caplog.text
    assert found[-1].mean() == pytest.approx(len(calls))


def test_no_call_overwrites_the_inputs():
    given = inputs(0)
    before = {name: tensor.clone() for name, tensor in given.items()}
    recorded = Tape(function, given)
    recorded(inputs(1))
    assert all(torch.equal(given[name], before[name]) for name in given)


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_sums_of_products_and_something_else():
    """Of addmm our own kernel makes the product alone."""

    def linear(given):
        return (torch.addmm(given["c"], given["a"], given["b"]),)

    def sizes(seed):
        stream = torch.Generator().manual_seed(seed)
        return {name: torch.randn(64, 64, generator=stream) for name in "abc"}

    with own_operations():
        recorded = Tape(linear, sizes(0))
        assert torch.equal(recorded(sizes(1))[0], linear(sizes(1))[0])


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("moving", [None, ("layer1.query", "embed")])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_transformer(moving, rows, monkeypatch):
    """Losses and gradients of every step are those without a tape, to the last bit."""
    stream = torch.Generator().manual_seed(0)
    weights = attention_only.initial(
        vocabulary=37, context=24, width=32, heads=4, layers=2, stream=stream
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    flat = torch.cat([tensor.flatten() for tensor in weights.values()])

    def build(rows):
        return Program(
            lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
            shapes,
            {},
            rows=rows,
            alone=True,
            own=True,
        )

    used = []
    call = tape.Tape.__call__
    monkeypatch.setattr(tape.Tape, "__call__", lambda *given: used.append(1) or call(*given))
    steps = [
        (
            flat + 0.1 * torch.randn(rows, len(flat), generator=stream),
            {"tokens": torch.randint(0, 37, (rows, 6, 25), generator=stream)},
        )
        for _ in range(4)
    ]
    taped = build(rows)
    for position, batch in steps:
        loss, slope = taped.loss_and_gradient(position, batch, shared=False, moving=moving)
        shared = {"tokens": batch["tokens"][0]}
        each = taped.each(position, shared)
        for row in range(rows):
            # a program of its own, whose first call is never from a tape
            here, own = slice(row, row + 1), {"tokens": batch["tokens"][row : row + 1]}
            expected = build(1).loss_and_gradient(position[here], own, shared=False, moving=moving)
            assert torch.equal(loss[here], expected[0])
            assert torch.equal(slope[here], expected[1])
            assert torch.equal(each[here], build(1).each(position[here], shared))
    assert used


@pytest.mark.parametrize("moving", [None, ("first",)])
@pytest.mark.parametrize("shared", [True, False])
def test_many_models_at_once(moving, shared):
    stream = torch.Generator().manual_seed(0)
    shapes = {"first": (4, 3), "second": (2, 4)}

    def build():
        constants = {"shift": torch.arange(5.0)[:, None].expand(5, 2)}
        return Program(losses, shapes, constants, rows=5)

    def losses(w, c, batch):
        made = (batch["x"] @ w["first"].T).tanh() @ w["second"].T + c["shift"]
        return (made - batch["y"]).square().sum(-1)

    taped, held = build(), []
    for _ in range(5):
        position = torch.randn(5, 20, generator=stream)
        rows = () if shared else (5,)
        batch = {n: torch.randn(*rows, 7, k, generator=stream) for n, k in (("x", 3), ("y", 2))}
        found = taped.loss_and_gradient(position, batch, shared=shared, moving=moving)
        expected = build().loss_and_gradient(position, batch, shared=shared, moving=moving)
        held.append((found, expected))
    # also after later calls
    for found, expected in held:
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("adds", ["+=", "-="])
def test_many_small_products_are_ours_if_to_the_last_bit(adds, monkeypatch):
    used = []
    kernel = small_products.multiplied
    wrong_or_right = small_products.KERNEL.replace("sums[i] +=", f"sums[i] {adds}")

    def gradients(_, given):
        free = given["a"].detach().requires_grad_()
        with torch.enable_grad():
            loss = (given["b"] @ free.mT).square().sum((1, 2))
            return (loss.detach(), *torch.autograd.grad(loss.sum(), free))

    assert small_products.usable()
    monkeypatch.setattr(small_products, "multiplied", lambda *two: used.append(1) or kernel(*two))
    monkeypatch.setattr(small_products, "KERNEL", wrong_or_right)
    stream, replayed = torch.Generator().manual_seed(0), Replayed(gradients)
    for _ in range(4):
        a, b = (torch.randn(300, high, 8, generator=stream) for high in (15, 16))
        found, expected = replayed(None, {"a": a, "b": b}), gradients(None, {"a": a, "b": b})
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert len(used) == 2  # while it is recorded, and not in what else is called


def test_somebody_who_looks_sees_the_operations():
    """What a step costs is counted, and what is compiled is traced, of the function itself."""
    calls = []
    replayed = Replayed(lambda _, given: calls.append(1) or function(given))
    for seed in range(4):
        replayed(None, inputs(seed))
    before = len(calls)
    counted = cost(lambda: replayed(None, inputs(0)))
    assert len(calls) == before + 1
    assert counted == cost(lambda: function(inputs(0)))
