"""Our EK-FAC beside the library's, where it is installed (`--group attribution`)."""

import numpy as np
import pytest
import torch

from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.models import mlp
from stagewise.testbeds import digits_mlp

MODEL = {"hidden": [6], "train": 40, "test": 10, "activation": "tanh"}


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_kronfluence(tmp_path):
    kronfluence = pytest.importorskip("kronfluence")
    arguments = pytest.importorskip("kronfluence.arguments")
    testbed = digits_mlp.build(MODEL, 0)
    weights = testbed.initial(torch.Generator().manual_seed(0))
    train, query = testbed.data, testbed.observables["test"].data
    rivals = Rivals([0.1], 0.1, 5)
    ours = attributions(weights, train, query, activation="tanh", penalty=0.0, rivals=rivals)

    class Classification(kronfluence.Task):
        def compute_train_loss(self, batch, model, sample=False):
            scores, label = model(batch[0]), batch[1]
            if sample:
                label = torch.multinomial(scores.softmax(-1).detach(), 1)[:, 0]
            return torch.nn.functional.cross_entropy(scores, label, reduction="sum")

        def compute_measurement(self, batch, model):
            return self.compute_train_loss(batch, model)

    layers = torch.nn.Sequential(torch.nn.Linear(64, 6), torch.nn.Tanh(), torch.nn.Linear(6, 10))
    layers.load_state_dict(
        {
            f"{place}.{kind}": weights[f"layer{number}.{kind}"]
            for number, place in ((1, 0), (2, 2))
            for kind in ("weight", "bias")
        }
    )
    torch.testing.assert_close(layers(query["x"]), mlp.logits(weights, query["x"], torch.tanh))
    task = Classification()
    model = kronfluence.prepare_model(layers, task)
    analyzer = kronfluence.Analyzer(
        "parity", model, task, cpu=True, output_dir=str(tmp_path), disable_tqdm=True
    )
    # Labels are drawn from the model: many copies of the data stand for their expectation.
    many = torch.utils.data.TensorDataset(train["x"].repeat(50, 1), train["y"].repeat(50))
    analyzer.fit_all_factors(
        "ekfac", many, per_device_batch_size=2000,
        factor_args=arguments.FactorArguments(strategy="ekfac"),
    )  # fmt: skip
    analyzer.compute_pairwise_scores(
        "scores",
        "ekfac",
        torch.utils.data.TensorDataset(query["x"], query["y"]),
        torch.utils.data.TensorDataset(train["x"], train["y"]),
        per_device_query_batch_size=10,
        score_args=arguments.ScoreArguments(damping_factor=None),
    )
    theirs = analyzer.load_pairwise_scores("scores")["all_modules"].numpy().T
    assert np.corrcoef(theirs.ravel(), ours["ekfac"].ravel())[0, 1] > 0.999
    distance = np.linalg.norm(theirs - ours["ekfac"]) / np.linalg.norm(ours["ekfac"])
    assert distance < 0.05  # of the drawn labels
    apart = np.corrcoef(theirs.ravel(), ours["gradients"].ravel())[0, 1]
    assert apart < 0.999  # the curvature counts
