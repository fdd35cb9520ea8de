"""The parts of figure 10 on data of known answers."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.findings import (
    bif_attributions,
    bif_cost,
    bif_library,
    bif_regression,
    bif_retraining,
    bif_translations,
)
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds import bilingual, digits_mlp, linear_regression
from stagewise.training.loop import train
from stagewise.training.retraining import Retraining
from stagewise.training.subsets import retrained
from stagewise.training.training import Configuration, Training

REGRESSION = {"samples": 12, "features": 2}
DIGITS = {"hidden": [3], "train": 20, "test": 6, "activation": "tanh", "penalty": 1e-2}
RIVALS = {"dampings": [0.01, 0.1], "kronecker_damping": 0.1, "projection": 8}


def _sampled(testbed, points, names, seed=0, **changes):
    settings = {"n": [20.0], "beta": 1.0, "localization": 2.0, "steps": 60, "burn_in": 20}
    settings |= {"chains": 4, "epsilon": 0.3, "epsilon_unit": "curvature"}
    sampling = Sampling(
        kernel="sgld",
        execution="eager",
        observables={name: Observation() for name in names},
        **(settings | changes),
    )
    found = sample(testbed, points, sgld, sampling, seed=seed, report=silent)
    return found.assign_attrs(seed=seed)


def test_regression_knows_the_closed_forms():
    testbed = linear_regression.build(REGRESSION, 0)
    draws = _sampled(testbed, testbed.points(), ["data"], chains=64, epsilon=[0.1, 1.0], steps=220)
    settings = {
        "model": REGRESSION,
        "nbetas": [60.0, 600.0, 6000.0],
        "damping": 0.1,
        "data_sets": 200,
        "response": {"samples": 2, "shift": 0.2, "chains": 16, "steps": 60},
        "bootstrap": 20,
    }
    table, found = bif_regression.measure({"sgld": [draws]}, settings)
    assert found["linearisation_slope"].value == pytest.approx(-1, abs=1e-6)
    assert found["response_exact_error"].value < 1e-6
    assert abs(found["functional_variance_error"].value) < 4
    assert found["covariance_error_large"].value < found["covariance_plain_large"].value
    assert found["response_within"].value > found["response_other_within"].value
    assert set(table.kind) == {"deviation", "covariance", "response"}


def test_classical_attributions_agree_where_they_must():
    testbed = digits_mlp.build(DIGITS, 0)
    weights = testbed.initial(torch.Generator().manual_seed(0))
    found = bif_attributions.attributions(
        weights,
        testbed.data,
        testbed.observables["test"].data,
        activation="tanh",
        penalty=0.0,
        rivals=bif_attributions.Rivals([1e6], 1e6, 8),
    )
    assert {one.shape for one in found.values()} == {(20, 6)}
    # Under damping that is all there is, every curvature gives inner products of gradients.
    assert 1e6 * found["damped 1e+06"] == pytest.approx(found["gradients"], rel=1e-3, abs=1e-6)
    for name in ("kfac", "ekfac"):
        assert np.corrcoef(found[name].ravel(), found["gradients"].ravel())[0, 1] > 0.9


def test_retraining_scores_what_it_is_given():
    testbed = digits_mlp.build(DIGITS, 0)
    training = Training([Configuration(0.05, optimizer="adamw")], steps=20, linear_checkpoints=0)
    points = train(testbed, training, seed=0, report=silent)
    truth = retrained(testbed, training, Retraining([0.5], 6, 4, "test"), seed=0, report=silent)
    last = points.at(torch.tensor([len(points) - 1]))
    draws = {
        name: _sampled(testbed, last, ["train", "test"], **changes)
        for name, changes in (("main", {}), ("zero", {"beta": 0.0, "localization": 1e4}))
    }
    points.index["seed"] = 0
    settings = {"model": DIGITS, "main": "main", "zero": "zero", "rivals": RIVALS, "bootstrap": 9}
    inputs = {"checkpoints": [points], "retrained": [truth]}
    inputs |= {name: [found] for name, found in draws.items()}
    table, found = bif_retraining.measure(inputs, settings)
    assert found["bif_50"].doubt  # of one run
    assert found["zero_gradient_correlation"].value > 0.5
    assert table.score.abs().max() <= 1
    ahead = table.set_index("attribution").behind
    assert ahead["bif main"] == 0
    assert found["bif_minus_ekfac_50"].value == pytest.approx(ahead["ekfac"])
    zero = table[table.attribution == "bif zero"].iloc[0]
    assert (zero.nbeta, zero.localization) == (0, 1e4)


def test_the_library_is_beside_ours_or_is_named_as_missing():
    testbed = digits_mlp.build(DIGITS, 0)
    training = Training([Configuration(0.05, optimizer="adamw")], steps=40)
    points = train(testbed, training, seed=0, report=silent)
    truth = retrained(testbed, training, Retraining([0.25], 6, 4, "test"), seed=0, report=silent)
    points.index["seed"] = 0
    settings = {"model": DIGITS, "rivals": RIVALS}
    ours = bif_retraining.run_attributions(points, DIGITS, bif_attributions.Rivals(**RIVALS))
    theirs = {
        name: xr.Dataset({"scores": (("train", "query"), 3 * ours[method])})
        for name, method in (("kronfluence", "ekfac"), ("traker", "trak"))
    }
    inputs = {"checkpoints": [points], "retrained": [truth]}
    inputs |= {name: [scores] for name, scores in theirs.items()}
    found = bif_library.measure(inputs, settings)[1]
    assert found["library_agreement"].value == pytest.approx(1)
    assert found["library_less_ekfac_25"].value == pytest.approx(0)
    assert found["library_less_trak_25"].value == pytest.approx(0)
    inputs["traker"] = [xr.Dataset({"scores": -theirs["traker"]["scores"]})]
    found = bif_library.measure(inputs, settings)[1]
    assert abs(found["library_less_trak_25"].value) > 0.1
    inputs["kronfluence"] = [xr.Dataset(attrs={"missing": "install it"})]
    table, found = bif_library.measure(inputs, settings)
    assert table.missing.tolist()[0] == "install it"
    missing = {name for name, number in found.items() if number.missing == "install it"}
    assert missing == {"library_agreement", "library_less_ekfac_25"}


def _planted(settings, strength):
    """Traces in which the words of a concept move together."""
    testbed = bilingual.build(settings, 0)
    tokens = testbed.observables["text"].data["tokens"].numpy()[:, 1:]
    random = np.random.default_rng(0)
    concept = (tokens - 5) % 4
    common = random.normal(size=(2, 80, 4))
    losses = strength * common[:, :, concept] + random.normal(size=(2, 80, *tokens.shape))
    dims = ("checkpoint", "n", "chain", "text_draw", "text_sample", "text_token")
    return xr.Dataset(
        {"text_loss": (dims, losses[None, None]), "rhat": (("checkpoint", "n"), [[1.0]])},
        attrs={"seed": 0},
    )


def test_translations_are_told_where_words_move_together():
    settings = {"languages": {"concepts": 4}, "train": 2, "test": 12}
    found = bif_translations.measure(
        {"related": [_planted(settings, 1.0)], "unrelated": [_planted(settings, 0.0)]},
        {"models": {"related": settings, "unrelated": settings}, "bootstrap": 9},
    )[1]
    assert found["translation_auc"].value == 1
    assert found["translation_excess"].value == pytest.approx(0.5, abs=0.1)
    assert abs(found["unrelated_auc"].value - 0.5) < 0.4
    assert found["permuted_auc"].value < 1


def test_exponents_are_those_of_the_costs():
    sizes = np.array([1e4, 1e5, 1e6, 1e7])
    rounds = [
        pd.DataFrame(
            {"parameters": sizes, "repeat": k, "bif": sizes, "fit": sizes**1.5, "score": 0}
        )
        for k in range(3)
    ]
    settings = {"least": 1e5, "bootstrap": 9}
    found = bif_cost.measure({"cost": [pd.concat(rounds)]}, settings)[1]
    assert found["bif_exponent"].value == pytest.approx(1)
    assert found["ekfac_exponent"].value == pytest.approx(1.5)
    assert found["ratio_growth"].value == pytest.approx(1)
