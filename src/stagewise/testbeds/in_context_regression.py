"""Transformers that learn linear regression in context (Hoogland et al. 2024, 2402.02364)."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from stagewise.data.regression_tasks import gaussian_tasks, regression_sequences
from stagewise.models import regression_transformer
from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed
from stagewise.theory.in_context_regression import (
    ridge_predictions,
    task_set_predictions,
    zero_loss,
)

INPUT_VARIANCES = (1, 3, 10, 30, 100)
"""Of inputs beyond the distribution."""
OUTPUT_SEQUENCES = 256
"""Whose predictions are a model's place in function space."""
SMALL = 0.1
"""A layer norm's weight below it, of 1 at the start, has collapsed."""


@dataclass(frozen=True)
class Model:
    """Data and layers."""

    dimension: int = 2
    """D, of inputs and tasks."""
    examples: int = 8
    """K, of a sequence."""
    noise_variance: float = 0.125
    """sigma^2, of the labels."""
    tasks: int | None = None
    """M, tasks that sequences are drawn from, the first of one stream t ~ N(0, I): with the same
    seed those of a smaller set are among those of a larger. null: a fresh task each sequence."""
    width: int = 32
    """Of the stream."""
    heads: int = 2
    layers: int = 2
    mlp: int = 32
    """Hidden width of the perceptrons."""
    unembedding: float = 2.5
    """Scale of the fresh unembedding: the mean squared prediction starts at about its square."""
    train: int = 131072
    """Sequences that batches are drawn from."""
    test: int = 2048
    """Held-out sequences, and as many for each kind of inputs beyond the distribution."""

    def __post_init__(self) -> None:
        for name in ("dimension", "width", "heads", "layers", "mlp", "train"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide the width {self.width}")
        if self.examples < max(2, self.dimension):
            raise ValueError(
                f"examples: must be at least 2 and the dimension {self.dimension}, "
                f"got {self.examples}"
            )
        if self.noise_variance <= 0:
            raise ValueError(f"noise_variance: must be positive, got {self.noise_variance}")
        if self.tasks is not None and self.tasks < 1:
            raise ValueError(f"tasks: must be at least 1, got {self.tasks}")
        if self.unembedding <= 0:
            raise ValueError(f"unembedding: must be positive, got {self.unembedding}")
        if self.test < 2:
            raise ValueError(f"test: must be at least 2, for a standard error, got {self.test}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The transformer as a testbed; `seed` chooses the tasks and all sequences.

    Loss of a sequence: mean over its examples of (prediction - y)^2, in squared units of y; it is
    no likelihood, for which it would be divided by 2 sigma^2. Data: x (sequence, example,
    dimension), y (sequence, example), drawn beforehand; evaluation: held-out sequences of the same
    tasks. Components: layer<k>, <layer>:<head>, mlp<k>. Observable: test, the squared error of
    each example of the held-out sequences. Outputs: all predictions on 256 other sequences.
    Behaviour: see `_behaviour`.
    """
    model = build_settings(Model, settings, "in_context_regression.model")
    tasks = None
    if model.tasks is not None:
        stream = generator(seed, "tasks")
        tasks = gaussian_tasks(model.tasks, model.dimension, stream=stream)

    def sequences(use: str, count: int) -> dict[str, Tensor]:
        return _sequences(model, count, generator(seed, use), tasks)

    test = sequences("test", model.test)
    beyond = {
        g: _sequences(model, model.test, generator(seed, "beyond", g), None, input_variance=g)
        for g in INPUT_VARIANCES
    }
    fixed = sequences("outputs", OUTPUT_SEQUENCES)
    best = _bayes_errors(model, test, tasks).mean(1)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return regression_transformer.squared_errors(w, batch["x"], batch["y"]).mean(-1)

    def initial(stream: torch.Generator) -> dict[str, Tensor]:
        return regression_transformer.initial(
            dimension=model.dimension,
            examples=model.examples,
            width=model.width,
            heads=model.heads,
            layers=model.layers,
            hidden=model.mlp,
            unembedding=model.unembedding,
            stream=stream,
        )

    return Testbed(
        name="in_context_regression",
        losses=losses,
        data=sequences("train", model.train),
        evaluation=test,
        initial=initial,
        behaviour=lambda w: _behaviour(model, w, test, best, beyond),
        outputs=lambda w: regression_transformer.predictions(w, **fixed).flatten(),
        components=regression_transformer.masks(initial(generator(seed, "shapes"))),
        observables={
            "test": Observable(
                lambda w, constants, batch: regression_transformer.squared_errors(w, **batch), test
            )
        },
    )


def _sequences(
    model: Model,
    count: int,
    stream: torch.Generator,
    tasks: Tensor | None,
    *,
    input_variance: float = 1.0,
) -> dict[str, Tensor]:
    return regression_sequences(
        count,
        examples=model.examples,
        dimension=model.dimension,
        noise_variance=model.noise_variance,
        stream=stream,
        tasks=tasks,
        input_variance=input_variance,
    )


def _bayes_errors(model: Model, data: Batch, tasks: Tensor | None) -> Tensor:
    """Squared errors (sequence, example) of the Bayes predictor of the tasks, float64."""
    x, y = data["x"].numpy(), data["y"].numpy()
    if tasks is None:
        found = ridge_predictions(x, y, model.noise_variance)
    else:
        found = task_set_predictions(x, y, tasks.numpy(), model.noise_variance)
    return torch.from_numpy((found - y) ** 2)


def _behaviour(
    model: Model, w: Parameters, test: Batch, best: Tensor, beyond: dict[int, dict[str, Tensor]]
) -> dict[str, float]:
    """What one model can do, in squared units of y unless said otherwise:

    loss_error               standard error of the mean loss of the held-out sequences, `loss`
    bayes_loss               of the Bayes predictor on the same: ridge, or dMMSE of a finite set
    excess, excess_error     loss - bayes_loss; paired, so its standard error is the smaller one
    loss_<k>                 of the k-th example, k = 1, 2, ...
    icl                      loss_<D> - loss_1: below 0, where there is learning in context
    mean_square_prediction   near 0 where the task prior is all that has been learned
    ood_loss_<g>             loss for x ~ N(0, g I) and tasks t ~ N(0, I), over that of predicting
                             zero, g D + sigma^2; with a finite set, ood_loss_1 is of fresh tasks
    norm_small_share <name>  share of a layer norm's weights below 0.1 (they start at 1)
    effective_rank <name>    of embed, positions and unembed: exp of the entropy of the singular
                             values, divided by their sum
    """
    found = regression_transformer.predictions(w, **test)
    errors = (found - test["y"]).square().double()
    of_sequence, tokens = errors.mean(1), errors.mean(0).tolist()
    excess, root = of_sequence - best, sqrt(len(errors))
    scores = {
        "loss_error": float(of_sequence.std()) / root,
        "bayes_loss": float(best.mean()),
        "excess": float(excess.mean()),
        "excess_error": float(excess.std()) / root,
        "icl": tokens[model.dimension - 1] - tokens[0],
        "mean_square_prediction": float(found.square().mean()),
    }
    scores |= {f"loss_{k}": loss for k, loss in enumerate(tokens, start=1)}
    for g, data in beyond.items():
        loss = regression_transformer.squared_errors(w, **data).double().mean()
        zero = zero_loss(model.dimension, model.noise_variance, input_variance=g)
        scores[f"ood_loss_{g}"] = float(loss) / zero
    for name in regression_transformer.norms(w):
        small = w[f"{name}.scale"].abs() < SMALL
        scores[f"norm_small_share {name}"] = float(small.double().mean())
    for name in ("embed", "positions", "unembed"):
        scores[f"effective_rank {name}"] = effective_rank(w[name])
    return scores


def effective_rank(matrix: Tensor) -> float:
    """exp(-sum p log p) of the singular values p, normalised to sum to 1."""
    values = torch.linalg.svdvals(matrix.double())
    share = values / values.sum()
    return float(torch.special.entr(share).sum().exp())
