"""Our EK-FAC beside the library's, where it is installed (`--group attribution`)."""

import numpy as np
import pytest
import torch

from stagewise.data.tokens import Tokens
from stagewise.engine.drawn_labels import gauss_newton_roots
from stagewise.engine.kronfluence_scores import kronfluence_language_scores, kronfluence_scores
from stagewise.engine.sample_gradients import sample_gradients
from stagewise.estimators.low_rank_influence import low_rank_influence
from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.models.causal_lm import next_token_scores
from stagewise.testbeds import digits_mlp, gpt_neox

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


@pytest.mark.filterwarnings("ignore")
def test_language_scores_are_near_those_of_the_whole_matrix():
    pytest.importorskip("kronfluence")
    model = {
        "corpus": "c",
        "length": 6,
        "width": 8,
        "heads": 2,
        "layers": 1,
        "train": 16,
        "test": 5,
    }
    streams = [np.random.default_rng(seed).integers(1, 20, 300) for seed in range(2)]
    corpus = Tokens(20, {"a": streams[0]}, {"a": streams[1]})
    testbed = gpt_neox.build(model, 0, corpus)
    weights = testbed.initial(torch.Generator().manual_seed(0))
    module = gpt_neox.module_with(weights, model, corpus)
    tokens = [testbed.observables[name].data["tokens"] for name in ("train", "test")]
    # ours, through the same layers alone
    linear = {f"{n}.{k}" for n, m in module.named_modules() if isinstance(m, torch.nn.Linear)
              for k, _ in m.named_parameters()}  # fmt: skip

    theirs = kronfluence_language_scores(gpt_neox.module_with(weights, model, corpus), *tokens)

    def flat(gradients):
        return torch.cat([t.flatten(1) for n, t in gradients.items() if n in linear], 1).double()

    one, two = (
        flat(sample_gradients(lambda w, d: testbed.losses(w, {}, d), weights, {"tokens": part}))
        for part in tokens
    )
    fixed = {name: tensor for name, tensor in weights.items() if name not in linear}
    scores = next_token_scores(module)
    roots = gauss_newton_roots(
        lambda w, seen: scores({**fixed, **w}, seen),
        {name: tensor for name, tensor in weights.items() if name in linear},
        tokens[0].long()[:, :-1],
        draws=50,
        stream=torch.Generator().manual_seed(0),
    ).double()
    mean = float((roots**2).sum() / roots.shape[1])
    ours = low_rank_influence(one, two, roots, 0.1 * mean)
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.6  # layers one by one
    assert np.corrcoef(theirs.ravel(), ours[::-1].ravel())[0, 1] < 0.5
