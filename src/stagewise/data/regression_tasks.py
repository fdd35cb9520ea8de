"""Sequences of examples of linear regressions, each with a task of its own."""

import torch
from torch import Generator, Tensor

BLOCK = 1024


def gaussian_tasks(count: int, dimension: int, *, stream: Generator) -> Tensor:
    """Tasks t ~ N(0, I), (task, dimension); of one stream the first ones are always the same."""
    # A tensor of normals does not begin like a longer one of the same stream; whole blocks do.
    blocks = range(0, count, BLOCK)
    return torch.cat([torch.randn(BLOCK, dimension, generator=stream) for _ in blocks])[:count]


def regression_sequences(
    count: int,
    *,
    examples: int,
    dimension: int,
    noise_variance: float,
    stream: Generator,
    tasks: Tensor | None = None,
    input_variance: float = 1.0,
) -> dict[str, Tensor]:
    """x (sequence, example, dimension) ~ N(0, input_variance I), y = t . x + N(0, noise_variance).

    The task t of a sequence is uniform on `tasks` (task, dimension) or, without, t ~ N(0, I).
    """
    if tasks is None:
        task = torch.randn(count, dimension, generator=stream)
    else:
        task = tasks[torch.randint(len(tasks), (count,), generator=stream)]
    x = input_variance**0.5 * torch.randn(count, examples, dimension, generator=stream)
    noise = noise_variance**0.5 * torch.randn(count, examples, generator=stream)
    return {"x": x, "y": (x @ task[..., None])[..., 0] + noise}
