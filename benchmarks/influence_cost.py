"""What attribution costs as models grow: covariances of losses along chains against EK-FAC.

    python benchmarks/influence_cost.py [--repeats N]

writes benchmarks/influence_cost.csv, which figure 10 reads. Perceptrons with two hidden layers of
equal width on 300 digits, at their initial weights (what is counted does not depend on what they
have learned); 40 training images and 20 queries are attributed to each other. Seconds of one core:

    bif    SGLD of two chains, minibatches of 100 and 100 draws together; losses of all 60 images at
           every draw, and their covariances
    fit    EK-FAC: the second moments of every layer's inputs and gradients over all images and
           labels, their eigenvectors, and the curvature along these
    score  its inner products of the gradients of the 60 images

A round at every width comes first and is not counted.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sample_gradients import sample_gradients, sample_jacobians
from stagewise.engine.sampling import Observation, Sampling
from stagewise.estimators.gauss_newton import label_gradients
from stagewise.estimators.influence import covariance
from stagewise.estimators.kronecker_factors import Factors, kronecker_factors, preconditioned
from stagewise.models import mlp
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.seeds import generator
from stagewise.testbeds import digits_mlp
from stagewise.testbeds.testbed import Observable, Points, Testbed

HERE = Path(__file__).parent
WIDTHS = [64, 128, 256, 512, 1024, 1448]
TRAIN, QUERIES = 40, 20
SAMPLING = Sampling(
    kernel="sgld",
    n=[300.0],
    beta=1.0,
    localization=100.0,
    epsilon=1e-7,
    batch=100,
    steps=55,
    burn_in=5,
    chains=2,
    execution="eager",
    observables={"train": Observation(), "test": Observation()},
)


def model(width: int) -> tuple[Testbed, dict[str, Tensor]]:
    """The testbed, with the images that are attributed as observables, and weights."""
    settings = {"hidden": [width, width], "train": 300, "test": QUERIES, "activation": "tanh"}
    testbed = digits_mlp.build(settings, 0)
    train = testbed.observables["train"]
    few = {name: tensor[:TRAIN] for name, tensor in train.data.items()}
    observables = {**testbed.observables, "train": Observable(train.losses, few)}
    assert testbed.initial is not None
    return replace(testbed, observables=observables), testbed.initial(generator(0, "initial"))


def by_covariances(testbed: Testbed, weights: Mapping[str, Tensor]) -> None:
    """Influence functions of one model from chains."""
    rows = {name: tensor[None] for name, tensor in weights.items()}
    points = Points(rows, pd.DataFrame({"step": [0]}))
    draws = sample(testbed, points, sgld, SAMPLING, seed=0, report=silent)
    covariance(draws.train_loss.values[0, 0], draws.test_loss.values[0, 0])


def fitted(testbed: Testbed, weights: Mapping[str, Tensor]) -> list[Factors]:
    """EK-FAC's curvature of every layer."""
    biases = {name: tensor for name, tensor in weights.items() if name.endswith("bias")}

    def logits(moved: Mapping[str, Tensor], data: Mapping[str, Tensor]) -> Tensor:
        return mlp.logits({**weights, **moved}, data["x"], torch.tanh)

    # The Jacobian by a layer's bias is that by its outputs.
    backward = sample_jacobians(logits, biases, testbed.data)
    chances = torch.softmax(logits({}, testbed.data), -1).double().numpy()
    inputs = mlp.layer_inputs(weights, testbed.data["x"], torch.tanh)
    return [
        kronecker_factors(
            torch.nn.functional.pad(before, (0, 1), value=1.0).double().numpy(),
            label_gradients(backward[f"layer{number}.bias"].detach().double().numpy(), chances),
            corrected=True,
        )
        for number, before in enumerate(inputs, start=1)
    ]


def scored(testbed: Testbed, weights: Mapping[str, Tensor], layers: list[Factors]) -> None:
    """EK-FAC's influences, added up over layers."""
    gradients = [
        sample_gradients(
            _losses(testbed.observables[name]), weights, testbed.observables[name].data
        )
        for name in ("train", "test")
    ]
    for number, factors in enumerate(layers, start=1):
        damping = 0.1 * float(factors.eigenvalues.mean())
        one, two = (preconditioned(_by_layer(part, number), factors, damping) for part in gradients)
        one @ two.T


def _losses(
    observable: Observable,
) -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]:
    return lambda weights, data: observable.losses(weights, {}, data)


def _by_layer(gradients: Mapping[str, Tensor], number: int) -> NDArray[np.float64]:
    """(sample, out, in + 1), the bias last."""
    bias = gradients[f"layer{number}.bias"][..., None]
    return torch.cat([gradients[f"layer{number}.weight"], bias], -1).double().numpy()


def main() -> None:
    """Times every width in turn, again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    rows = []
    for repeat in range(-1, repeats):
        for width in WIDTHS:
            testbed, weights = model(width)
            moments = [time.process_time()]
            by_covariances(testbed, weights)
            moments.append(time.process_time())
            layers = fitted(testbed, weights)
            moments.append(time.process_time())
            scored(testbed, weights, layers)
            moments.append(time.process_time())
            bif, fit, score = (b - a for a, b in pairwise(moments))
            parameters = sum(tensor.numel() for tensor in weights.values())
            row = {"width": width, "parameters": parameters, "repeat": repeat}
            row |= {"bif": round(bif, 4), "fit": round(fit, 4), "score": round(score, 4)}
            print(row, flush=True)
            if repeat >= 0:
                rows.append(row)
    pd.DataFrame(rows).to_csv(HERE / "influence_cost.csv", index=False)


if __name__ == "__main__":
    main()
