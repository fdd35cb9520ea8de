"""Tapes of losses of picked numbers: shorter where nothing else needs the gradient, and right."""

import pytest
import torch

from stagewise.engine.tape import Tape


def inputs(seed):
    stream = torch.Generator().manual_seed(seed)
    return {
        "z": torch.randn(4, 6, 9, generator=stream),
        "one": torch.randint(0, 9, (4, 6, 1), generator=stream),
        "twice": torch.randint(0, 9, (4, 6, 1), generator=stream).expand(4, 6, 2).contiguous(),
    }


def cross_entropy(given, index="one"):
    free = given["z"].detach().requires_grad_()
    with torch.enable_grad():
        loss = free.logsumexp(-1) - free.gather(-1, given[index]).sum(-1)
        (gradient,) = torch.autograd.grad(loss.sum(), free)
    return loss.detach(), gradient


def of_several(given):
    return cross_entropy(given, "twice")


def needed_later(given):
    """The sum's first term is a result itself."""
    first = given["z"].exp()
    picked = first.new_zeros(first.shape).scatter_add(-1, given["one"], given["z"][..., :1])
    return first + picked, first


def needed_zeros(given):
    first = given["z"].exp()
    zeros = first.new_zeros(first.shape)
    return first + zeros.scatter_add(-1, given["one"], given["z"][..., :1]), zeros


def of_an_input(given):
    picked = given["z"].new_zeros(given["z"].shape)
    return (given["z"] + picked.scatter_add(-1, given["one"], given["z"][..., :1] * 2),)


def changed_between(given):
    first, source = given["z"].exp(), given["z"][..., :1] * 2
    picked = first.new_zeros(first.shape).scatter_add(-1, given["one"], source)
    source += 1
    return first + picked, source


@pytest.mark.parametrize(
    ("function", "fewer"),
    [
        (cross_entropy, True),
        (of_several, False),
        (needed_later, False),
        (needed_zeros, False),
        (of_an_input, False),
        (changed_between, False),
    ],
)
def test_sums_in_place(function, fewer, monkeypatch):
    shorter = Tape(function, inputs(0))
    with monkeypatch.context() as patched:
        patched.setattr("stagewise.engine.tape.added_in_place", lambda *given: given)
        whole = Tape(function, inputs(0))
    assert (len(shorter._steps) == len(whole._steps) - 2) == fewer
    assert (shorter.bytes < whole.bytes) == fewer
    for seed in (1, 2, 0):
        expected = function(inputs(seed))
        for tape in (shorter, whole):
            found = tape(inputs(seed))
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
