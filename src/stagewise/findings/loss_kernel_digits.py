"""Claim A10: a map of handwritten digits by the kernel, with right and with random labels."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.data.digits import digits
from stagewise.estimators.influence import block_covariances, normalised
from stagewise.estimators.loss_kernel import (
    cosine_similarities,
    distances,
    effective_draws,
    neighbour_agreement,
    unsigned_distances,
)
from stagewise.findings.kernels import constant_share, properties, traces
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.models import mlp
from stagewise.settings import build
from stagewise.testbeds.testbed import Points

Array = NDArray[np.float64]

NAMES = {
    "": "loss kernel",
    "_strength": "|R|",
    "_untrained": "untrained",
    "_random": "random labels",
    "_activations": "activations",
}
"""Ends of statistics and what the table calls them."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings."""

    model: dict[str, Any]


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Nearest neighbours under R, and a map.

    inputs   draws of networks trained on the `right` labels, with their `right_points`, of the
             `untrained` ones at n beta = 0 (so that chains do not train them), and of networks
             trained on `random` labels, without relation to the images
    returns  rows of kind map, one per sample of the first network trained on right labels: x and y
             of its UMAP by sqrt(2 (1 - R)), and its class; and of kind
             agreement, by name and network. Statistics: share of samples whose nearest neighbour is
             of their true class, means over networks,
               digits_agreement              by R
               digits_agreement_strength     by |R|
               digits_agreement_untrained, _activations, _pixels   by R of the untrained network,
                                             and by cosines
               digits_agreement_random       by R of networks trained on random labels
               digits_chance                 of a random neighbour
               digits_share_left             random less chance, over right less chance: what is
                                             left of the alignment without the labels
               digits_effective_draws        least number
               digits_constant               largest `kernels.constant_share` of R
               digits_least_eigenvalue, digits_affine_change   (`kernels.properties`)
    """
    wanted = build(Settings, settings, "papers.loss_kernel.digits")
    images = digits(wanted.model.get("data", "sklearn"), train=wanted.model["train"])
    classes = images.labels.numpy()
    right, random, points = inputs["right"][0], inputs["random"][0], inputs["right_points"][0]
    trained, untrained, shuffled = map(traces, (right, inputs["untrained"][0], random))
    final = points.at(points.places({"step": int(points.index["step"].max())}))
    correlations = [normalised(block_covariances(losses).mean(0)) for losses in trained]
    similarities = {
        "": correlations,
        "_strength": [1 - unsigned_distances(each) for each in correlations],
        "_untrained": [normalised(block_covariances(each).mean(0)) for each in untrained],
        "_random": [normalised(block_covariances(each).mean(0)) for each in shuffled],
        "_activations": [_activations(final, k, images.inputs) for k in range(len(final))],
    }
    agreements = {
        name: np.array([neighbour_agreement(each, classes) for each in found])
        for name, found in similarities.items()
    }
    found = {f"digits_agreement{name}": mean_of(values) for name, values in agreements.items()}
    pixels = neighbour_agreement(cosine_similarities(images.inputs.numpy()), classes)
    shares = np.bincount(classes) / len(classes)
    chance = float((shares**2).sum())
    left = (agreements["_random"] - chance) / (agreements[""] - chance)
    found |= {
        "digits_agreement_pixels": exact(pixels, len(classes)),
        "digits_chance": exact(chance, len(classes)),
        "digits_share_left": mean_of(left),
        "digits_constant": exact(max(map(constant_share, correlations)), len(correlations)),
        "digits_effective_draws": exact(min(map(effective_draws, [*trained, *shuffled]))),
    }
    doubt = not_stationary([*right.rhat.values.ravel(), *random.rhat.values.ravel()])
    found = {name: doubtful(number, number.doubt or doubt) for name, number in found.items()}
    named = {
        **{NAMES[name]: values for name, values in agreements.items()},
        "pixels": [pixels],
        "chance": [chance],
    }
    table = pd.concat(
        [
            _map(correlations[0]).assign(kind="map", label=classes),
            *(pd.DataFrame({"kind": "agreement", "name": n, "value": v}) for n, v in named.items()),
        ],
        ignore_index=True,
    )
    return table, found | properties("digits", [*trained, *shuffled])


def _activations(points: Points, place: int, inputs: Any) -> Array:
    w = {name: tensor[place] for name, tensor in points.parameters.items()}
    return cosine_similarities(mlp.penultimate(w, inputs).numpy())


def _map(correlations: Array) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not there without tensorflow, or of distances
        from umap import UMAP  # takes seconds

        model = UMAP(
            metric="precomputed",
            n_neighbors=min(15, len(correlations) - 1),
            min_dist=2.0,  # so that images of one class do not lie on each other
            spread=4.0,
            random_state=0,
        )
        places = model.fit_transform(distances(correlations))
    return pd.DataFrame({"x": places[:, 0], "y": places[:, 1]})
