"""EK-FAC influence by the field's library, kronfluence, where that is installed."""

import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import TensorDataset

from stagewise.engine.perceptron_module import perceptron_module

MISSING = "kronfluence is not installed: python3 bootstrap.py --group attribution"
COPIES = 50
"""Of the training data that factors are fitted on. The library draws labels from the model; many
copies stand for their expectation."""


def installed() -> bool:
    """Whether the library can be used here."""
    return find_spec("kronfluence") is not None


def kronfluence_scores(
    weights: Mapping[str, Tensor],
    train: Mapping[str, Tensor],
    query: Mapping[str, Tensor],
    activation: type[torch.nn.Module],
) -> NDArray[np.float64]:
    """What each training sample does to each query's loss, (train, query), by kronfluence's EK-FAC.

    grad_q^T (H + lambda)^-1 grad_i (Grosse et al. 2023, 2308.03296): positive where more weight on
    the sample lowers the loss, to leading order. lambda is the library's own, a tenth of the mean
    eigenvalue of each layer.

    weights       layer<k>.weight and layer<k>.bias of a multilayer perceptron
    train, query  x (sample, in) and labels y (sample,)
    """
    kronfluence, arguments = (import_module(f"kronfluence{name}") for name in ("", ".arguments"))
    layers = perceptron_module(weights, activation)
    task = _task(kronfluence)
    with tempfile.TemporaryDirectory() as folder:
        model = kronfluence.prepare_model(layers, task)
        analyzer = kronfluence.Analyzer(
            "scores", model, task, cpu=True, output_dir=folder, disable_tqdm=True
        )
        analyzer.fit_all_factors(
            "ekfac",
            TensorDataset(train["x"].repeat(COPIES, 1), train["y"].repeat(COPIES)),
            per_device_batch_size=2000,
            factor_args=arguments.FactorArguments(strategy="ekfac"),
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            TensorDataset(query["x"], query["y"]),
            TensorDataset(train["x"], train["y"]),
            per_device_query_batch_size=len(query["x"]),
            score_args=arguments.ScoreArguments(damping_factor=None),
        )
        found = analyzer.load_pairwise_scores("scores")["all_modules"]
    return np.asarray(found.numpy().T, dtype=np.float64)


def _task(kronfluence: Any) -> Any:
    class Classification(kronfluence.Task):
        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Tensor:
            scores, label = model(batch[0]), batch[1]
            if sample:
                label = torch.multinomial(scores.softmax(-1).detach(), 1)[:, 0]
            return torch.nn.functional.cross_entropy(scores, label, reduction="sum")

        def compute_measurement(self, batch: Any, model: Any) -> Tensor:
            return self.compute_train_loss(batch, model)

    return Classification()
