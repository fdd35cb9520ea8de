"""Controls of restricted sampling, where the answer is known: quadratics and a tiny transformer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import local_learning_coefficient
from stagewise.findings.measured import Measured, exact
from stagewise.models import attention_only
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.seeds import generator
from stagewise.settings import build
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed
from stagewise.theory.refined_llc import refined_llc

BLOCKS = {"first": [0, 3, 7], "second": [1, 2, 4, 5, 6], "union": list(range(8)), "all": []}
"""Places of a quadratic's coordinates; of `all`, every one."""
SIZE, SLOPE = 12, 0.3
"""Coordinates of a quadratic, and the standard deviation of its gradient's entries."""
NBETA, GAMMA, EPSILON = 40.0, 7.0, 4e-3
TETHERED: dict[str, Any] = {"n": [300.0], "localization": 100.0, "epsilon": 1e-3}
"""How the transformer is sampled."""
STEP = pd.DataFrame({"step": [0]})
DEAD = "0:1"
HEADS = ("0:0", "0:1", "1:0", "1:1")


@dataclass(frozen=True)
class Chains:
    """How many chains, and how long."""

    chains: int
    steps: int


@dataclass(frozen=True)
class Settings:
    """What is sampled."""

    quadratics: int
    """Random ones, each with and without gradient."""
    quadratic: Chains
    transformer: Chains


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The estimator where it is known what it must return; nothing is read.

    returns  one row per control, case and component: estimate with its standard error, expected.
             Statistics:
               quadratic_error         largest relative error of a block of a quadratic to the trace
                                       formula, w* the minimum
               quadratic_drift_error   the same with a gradient at w*
               dead_head               largest |estimate| of a head whose output is multiplied by 0
               live_head               least |estimate| of the others, in standard errors (contrast)
               permuted_heads          root mean square over heads of the change, in standard errors
                                       of it, when the heads of each layer are put in another order
               unpermuted_heads        the same between different heads (contrast)
               whole_differs           largest difference between draws of the component of all
                                       weights, on the training data under another name, and the
                                       plain estimator's
    """
    wanted = build(Settings, settings, "papers.refined_llc.controls")
    quadratics, transformer = wanted.quadratic, wanted.transformer
    rows = [row for seed in range(wanted.quadratics) for row in _quadratics(seed, quadratics)]
    model = _transformer()
    alive = _estimates(_heads_of(_testbed(model), transformer), "plain", HEADS)
    swapped = {name: _swapped(name, tensor) for name, tensor in model.items()}
    permuted = _estimates(_heads_of(_testbed(swapped), transformer), "permuted", HEADS)
    dead = _estimates(_heads_of(_testbed(model, dead=True), transformer), "dead", HEADS)
    table = pd.DataFrame([*rows, *alive, *permuted, *dead])

    def error(control: str) -> Measured:
        chosen = table[table["control"] == control]
        return exact(
            float((chosen["lambda_hat"] / chosen["expected"] - 1).abs().max()), len(chosen)
        )

    one, other = pd.DataFrame(alive), pd.DataFrame(permuted)
    silent_head = [row["lambda_hat"] for row in dead if row["component"] == DEAD]
    live = [row for row in dead if row["component"] != DEAD]
    return table, {
        "quadratic_error": error("quadratic"),
        "quadratic_drift_error": error("quadratic with gradient"),
        "dead_head": exact(float(np.abs(silent_head).max()), transformer.chains),
        "live_head": exact(
            min(abs(row["lambda_hat"]) / row["standard_error"] for row in live),
            transformer.chains,
        ),
        "permuted_heads": exact(_apart(one, other.iloc[[1, 0, 3, 2]]), len(HEADS)),
        "unpermuted_heads": exact(_apart(one, other), len(HEADS)),
        "whole_differs": exact(_whole_differs(_testbed(model), transformer), transformer.chains),
    }


def _estimates(draws: xr.Dataset, control: str, components: Any) -> list[dict[str, Any]]:
    found = local_learning_coefficient(draws).squeeze(["checkpoint", "n"])
    return [
        {
            "control": control,
            "component": component,
            "lambda_hat": float(found.lambda_hat.sel(component=component)),
            "standard_error": float(found.standard_error.sel(component=component)),
        }
        for component in components
    ]


def _apart(one: pd.DataFrame, other: pd.DataFrame) -> float:
    errors = np.hypot(one["standard_error"].to_numpy(), other["standard_error"].to_numpy())
    changes = (one["lambda_hat"].to_numpy() - other["lambda_hat"].to_numpy()) / errors
    return float(np.sqrt(np.mean(changes**2)))


def _quadratics(seed: int, lengths: Chains) -> list[dict[str, Any]]:
    """A random Hessian without structure, curvatures over a decade and a half."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(SIZE, SIZE)))[0]
    hessian = turn * np.geomspace(0.1, 3, SIZE) @ turn.T
    slope = SLOPE * random.normal(size=SIZE)
    return [
        {**row, "case": seed, "expected": _expected(hessian, gradient, row["component"])}
        for control, gradient in (
            ("quadratic", np.zeros(SIZE)),
            ("quadratic with gradient", slope),
        )
        for row in _estimates(_drawn(hessian, gradient, seed, lengths), control, BLOCKS)
    ]


def _expected(hessian: NDArray[np.float64], gradient: NDArray[np.float64], component: str) -> float:
    return refined_llc(
        hessian,
        n_beta=NBETA,
        localization=GAMMA,
        gradient=gradient,
        component=BLOCKS[component] or None,
        epsilon=EPSILON,
    ).total


def _drawn(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], seed: int, lengths: Chains
) -> xr.Dataset:
    H, g = torch.from_numpy(hessian), torch.from_numpy(gradient)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return (w["w"] @ g + w["w"] @ H @ w["w"] / 2)[None]

    def mask(places: list[int]) -> dict[str, Tensor]:
        found = torch.zeros(SIZE, dtype=torch.bool)
        found[places] = True
        return {"w": found}

    points = Points({"w": torch.zeros(1, SIZE).double()}, STEP)
    components = {name: mask(places) for name, places in BLOCKS.items() if places}
    return _sampled(
        Testbed("quadratic", losses, points=lambda: points, components=components),
        lengths,
        seed=seed,
        n=[NBETA],
        localization=GAMMA,
        epsilon=EPSILON,
        components=list(BLOCKS),
    )


def _sampled(testbed: Testbed, lengths: Chains, *, seed: int, **changes: Any) -> xr.Dataset:
    assert testbed.points is not None
    sampling = Sampling(
        kernel="sgld",
        beta=1.0,
        steps=lengths.steps,
        burn_in=lengths.steps // 5,
        chains=lengths.chains,
        execution="eager",
        **changes,
    )
    return sample(testbed, testbed.points(), sgld, sampling, seed=seed, report=silent)


def _transformer() -> dict[str, Tensor]:
    """With an unembedding so large that every head matters."""
    weights = attention_only.initial(
        vocabulary=7, context=8, width=8, heads=2, layers=2, stream=generator(0, "controls")
    )
    return {**weights, "unembed": 25 * weights["unembed"]}


def _swapped(name: str, tensor: Tensor) -> Tensor:
    """The two heads of a layer in the other order."""
    return tensor.flip(0) if name.split(".")[-1] in attention_only.HEAD else tensor


def _testbed(model: dict[str, Tensor], *, dead: bool = False) -> Testbed:
    """On random tokens, with the model's own outputs as the truth: an exact minimum. With `dead`,
    what the head DEAD writes is multiplied by 0."""
    layer, head = map(int, DEAD.split(":"))
    name, alive = f"layer{layer}.out", torch.ones(2, 1, 1)
    alive[head] = 0.0 if dead else 1.0

    def log_p(w: Parameters, tokens: Tensor) -> Tensor:
        return attention_only.logits({**w, name: w[name] * alive}, tokens).log_softmax(-1)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return -(batch["truth"] * log_p(w, batch["tokens"])).sum(-1).mean(-1)

    tokens = torch.randint(0, 7, (16, 8), generator=generator(0, "tokens"))
    data = {"tokens": tokens, "truth": log_p(model, tokens).exp()}
    points = Points({key: tensor[None] for key, tensor in model.items()}, STEP)
    return Testbed(
        "tiny transformer",
        losses,
        data,
        distributions={"same": data},
        points=lambda: points,
        components=attention_only.head_masks(model),
    )


def _heads_of(testbed: Testbed, lengths: Chains) -> xr.Dataset:
    return _sampled(testbed, lengths, seed=0, components=list(HEADS), **TETHERED)


def _whole_differs(testbed: Testbed, lengths: Chains) -> float:
    options = {**TETHERED, "batch": 4}
    plain = _sampled(testbed, lengths, seed=0, **options)
    refined = _sampled(
        testbed, lengths, seed=0, components=["0:0", "all"], distribution="same", **options
    )
    apart = refined.excess_loss.sel(component="all") - plain.excess_loss
    return float(np.abs(apart).max())
