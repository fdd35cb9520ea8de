"""TRAK of one model by its authors' library, traker, where that is installed."""

import logging
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.perceptron_module import perceptron_module

MISSING = "traker is not installed: python3 bootstrap.py --group attribution"


def installed() -> bool:
    """Whether the library can be used here."""
    return find_spec("trak") is not None


def traker_scores(
    weights: Mapping[str, Tensor],
    train: Mapping[str, Tensor],
    query: Mapping[str, Tensor],
    activation: type[torch.nn.Module],
    *,
    width: int,
    projector: Any = None,
) -> NDArray[np.float64]:
    """What each training sample adds to the margin of each query, (train, query), in the library's
    own unit (Park et al. 2023, 2303.14186): TRAK with one model and no ensemble.

    weights, train, query, activation   as of `kronfluence_scores`
    width      random directions that gradients are projected to, normal and by the library's seed 0
    projector  one of the library's interface, instead of those
    """
    trak = import_module("trak")
    module = perceptron_module(weights, activation)
    with tempfile.TemporaryDirectory() as folder:

        def on_disk() -> Any:
            return trak.TRAKer(
                model=module,
                task="image_classification",
                train_set_size=len(train["x"]),
                save_dir=folder,
                device="cpu",
                proj_dim=width,
                projector=projector,
                use_half_precision=False,
                logging_level=logging.ERROR,
            )

        features = on_disk()
        features.load_checkpoint(module.state_dict(), model_id=0)
        features.featurize((train["x"], train["y"]), num_samples=len(train["x"]))
        features.finalize_features()  # forgets its directions: another makes them again
        scores = on_disk()
        scores.start_scoring_checkpoint("query", module.state_dict(), 0, len(query["x"]))
        scores.score((query["x"], query["y"]), num_samples=len(query["x"]))
        return np.array(scores.finalize_scores("query"), dtype=np.float64)
