"""The checkpoints at which the estimators of lambda-hat are compared, trained on the spot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import torch
from torch import Tensor
from workloads import Workload, workloads

from stagewise.models import attention_only


@dataclass(frozen=True)
class Case:
    """One checkpoint, and how all estimators sample its local posterior."""

    workload: Workload
    epsilon: float
    localization: float
    steps: int
    """Of a chain. All are averaged, as devinterp does."""
    repeats: int
    chains: int = 4

    @property
    def samples(self) -> int:
        return len(next(iter(self.workload.data.values())))

    @property
    def nbeta(self) -> float:
        return self.samples / log(self.samples)


def _trained(workload: Workload, *, steps: int, rate: float) -> Workload:
    """The workload at weights that Adam finds, with a rate that falls to zero."""
    stream = torch.Generator().manual_seed(0)
    w = {name: tensor.clone().requires_grad_() for name, tensor in workload.weights.items()}
    optimizer = torch.optim.Adam(w.values(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    samples = len(next(iter(workload.data.values())))
    for _ in range(steps):
        picked = torch.randint(samples, (workload.batch,), generator=stream)
        batch = {name: tensor[picked] for name, tensor in workload.data.items()}
        optimizer.zero_grad()
        workload.losses(w, {}, batch).mean().backward()
        optimizer.step()
        schedule.step()
    return replace(workload, weights={name: tensor.detach() for name, tensor in w.items()})


def _linear(noise: float) -> Workload:
    """The deep linear network at the identity, with noise of that size on what it should say."""
    found = workloads()["deep_linear_3x8"]
    x = found.data["x"]
    y = x + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def losses(w: Mapping[str, Tensor], c: Any, batch: Mapping[str, Tensor]) -> Tensor:
        out = batch["x"] @ w["W0"] @ w["W1"] @ w["W2"]
        return (out - batch["y"]).square().sum(-1)

    weights = {name: torch.eye(len(tensor)) for name, tensor in found.weights.items()}
    return replace(found, weights=weights, losses=losses, data={"x": x, "y": y}, batch=32)


def _markov(*, vocabulary: int, length: int, samples: int) -> Tensor:
    """Sequences of a random Markov chain: four successors of each token, unequally likely."""
    stream = torch.Generator().manual_seed(2)
    successors = torch.randint(vocabulary, (vocabulary, 4), generator=stream)
    shares = torch.tensor([0.6, 0.2, 0.1, 0.1])
    tokens = [torch.randint(vocabulary, (samples,), generator=stream)]
    for _ in range(length - 1):
        chosen = torch.multinomial(shares, samples, replacement=True, generator=stream)
        tokens.append(successors[tokens[-1], chosen])
    return torch.stack(tokens, dim=1)


def _transformer() -> Workload:
    vocabulary, length = 128, 9
    stream = torch.Generator().manual_seed(0)
    weights = attention_only.initial(
        vocabulary=vocabulary, context=length, width=96, heads=4, layers=2, stream=stream
    )
    return Workload(
        weights,
        lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
        {"tokens": _markov(vocabulary=vocabulary, length=length, samples=4096)},
        batch=32,
        chains=(4,),
        steps=0,
    )


def cases(part: str) -> dict[str, Case]:
    """By name, those that have `part` in their name."""
    digits = replace(workloads()["digits_mlp"], batch=32)
    made = {
        "digits_mlp": lambda: Case(_trained(digits, steps=1000, rate=3e-3), 5e-4, 200.0, 256, 30),
        "attention_100k": lambda: Case(
            _trained(_transformer(), steps=1500, rate=3e-3), 2e-4, 1000.0, 128, 20
        ),
        "deep_linear": lambda: Case(_linear(0.0), 3e-4, 300.0, 256, 20),
        "deep_linear_noisy": lambda: Case(_linear(1.0), 3e-4, 300.0, 256, 20),
    }
    return {name: make() for name, make in made.items() if part in name}
