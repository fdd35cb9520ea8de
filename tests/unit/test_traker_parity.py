"""Our TRAK beside its authors' library, where it is installed (`--group attribution`)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stagewise.engine.traker_scores import traker_scores
from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.testbeds import digits_mlp

MODEL = {"hidden": [6], "train": 40, "test": 10, "activation": "tanh"}
WIDTH = 5


def _given():
    testbed = digits_mlp.build(MODEL, 0)
    weights = testbed.initial(torch.Generator().manual_seed(0))
    return weights, testbed.data, testbed.observables["test"].data


def _same_directions(weights):
    """A projector of the library's interface with the directions that ours has."""
    size = sum(tensor.numel() for tensor in weights.values())
    matrix = np.random.default_rng(0).standard_normal((size, WIDTH)) / WIDTH**0.5
    matrix = torch.from_numpy(matrix)

    def project(grads, model_id):
        flat = torch.cat([tensor.flatten(1) for tensor in grads.values()], 1)
        return (flat.double() @ matrix).float()

    return SimpleNamespace(
        proj_dim=WIDTH, proj_type="normal", project=project, free_memory=lambda: None
    )


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_traker():
    pytest.importorskip("trak")
    weights, train, query = _given()
    rivals = Rivals([0.1], 0.1, WIDTH)
    ours = attributions(weights, train, query, activation="tanh", penalty=0.0, rivals=rivals)
    theirs = traker_scores(
        weights, train, query, torch.nn.Tanh, width=WIDTH, projector=_same_directions(weights)
    )
    assert np.corrcoef(theirs.ravel(), ours["trak"].ravel())[0, 1] > 0.99999
    # with directions of its own they are others
    own = traker_scores(weights, train, query, torch.nn.Tanh, width=WIDTH)
    assert np.corrcoef(own.ravel(), ours["trak"].ravel())[0, 1] < 0.999
