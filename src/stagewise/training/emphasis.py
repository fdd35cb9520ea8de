"""Minibatches of which, for some steps, a share comes from one distribution of the testbed."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stagewise.seeds import generator
from stagewise.testbeds.testbed import Testbed
from stagewise.training.training import Configuration


def twins(configurations: Sequence[Configuration]) -> list[int]:
    """The place of the configuration whose minibatches each one sees: its own, or, of one with an
    emphasis, the first that is like it in all else."""
    plain = [replace(setting, emphasis=None) for setting in configurations]
    return [
        plain.index(plain[place]) if setting.emphasis else place
        for place, setting in enumerate(configurations)
    ]


def distinct(
    settings: Sequence[Configuration], keys: Sequence[tuple[int, int]], step: int
) -> tuple[list[int], list[int]]:
    """Rows that between them have everything that is trained at this step, and of every row the
    place among them of the one it is still the same as.

    What an emphasis tells apart is the same until it begins. `settings` and `keys` of each row, and
    `step`, are those of `emphasise`.
    """
    places: dict[object, int] = {}
    some: list[int] = []
    of: list[int] = []
    for row, (setting, key) in enumerate(zip(settings, keys, strict=True)):
        begun = setting.emphasis is not None and step > setting.emphasis.start
        of.append(places.setdefault((key, row if begun else None), len(some)))
        if of[-1] == len(some):
            some.append(row)
    return some, of


def emphasise(
    batch: dict[str, Tensor],
    testbed: Testbed,
    settings: Sequence[Configuration],
    keys: Sequence[tuple[int, int]],
    *,
    seed: int,
    step: int,
) -> None:
    """Puts samples of the emphasised distribution in place of the first of each minibatch.

    batch     tensors (row, sample, ...), changed in place where an emphasis is on at this step
    settings  of each row
    keys      (place of the configuration whose minibatches it sees, model) of each row
    step      counted from 1

    With replacement, from a stream of the key and the step alone: what is drawn hangs neither on
    the other rows nor on where training was resumed.
    """
    for row, (setting, key) in enumerate(zip(settings, keys, strict=True)):
        emphasis = setting.emphasis
        if emphasis is None or not emphasis.start < step <= emphasis.end:
            continue
        source = testbed.of(emphasis.distribution)
        count = round(emphasis.share * (setting.batch or 0))
        stream = generator(seed, "emphasis", *key, step)
        picked = torch.randint(source.samples or 0, (count,), generator=stream)
        for name, tensor in batch.items():
            tensor[row, :count] = source.data[name][picked]
