"""Our EK-FAC beside the library's, where it is installed (`--group attribution`)."""

import numpy as np
import pytest
import torch

from stagewise.engine.kronfluence_scores import kronfluence_scores
from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.testbeds import digits_mlp

MODEL = {"hidden": [6], "train": 40, "test": 10, "activation": "tanh"}


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_kronfluence():
    pytest.importorskip("kronfluence")
    testbed = digits_mlp.build(MODEL, 0)
    weights = testbed.initial(torch.Generator().manual_seed(0))
    train, query = testbed.data, testbed.observables["test"].data
    rivals = Rivals([0.1], 0.1, 5)
    ours = attributions(weights, train, query, activation="tanh", penalty=0.0, rivals=rivals)
    theirs = kronfluence_scores(weights, train, query, torch.nn.Tanh)
    assert np.corrcoef(theirs.ravel(), ours["ekfac"].ravel())[0, 1] > 0.999
    distance = np.linalg.norm(theirs - ours["ekfac"]) / np.linalg.norm(ours["ekfac"])
    assert distance < 0.05  # of the drawn labels
    apart = np.corrcoef(theirs.ravel(), ours["gradients"].ravel())[0, 1]
    assert apart < 0.999  # the curvature counts
