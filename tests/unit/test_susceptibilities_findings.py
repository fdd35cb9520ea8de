"""The parts of figure 4: on regressions, and on language models with planted responses."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.estimators.susceptibilities import susceptibilities
from stagewise.findings import (
    susceptibilities_ablation,
    susceptibilities_gaussian,
    susceptibilities_language,
    susceptibilities_probes,
    susceptibilities_singular,
)
from stagewise.findings.susceptibilities_matrices import (
    above_median,
    gate,
    matrices,
    tokens,
)
from stagewise.findings.susceptibilities_model import Model
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds import linear_regression, scalar_product, synthetic_language
from stagewise.testbeds.testbed import Points

BLOCKS = {"samples": 60, "features": 6, "noise": 0.3, "blocks": 2}
CROSSING = {"samples": 12, "centres": [[1.0, 0.0], [0.0, 0.0]]}
SHARES = {"markov": 0.3, "repeats": 0.25, "rules": 0.2, "brackets": 0.1, "indents": 0.15}
LANGUAGE = {
    "heads": 4, "width": 16, "length": 40, "train": 16, "test": 16, "alone": 16, "refined": 8,
    "grammar": {"shares": SHARES},
}  # fmt: skip
HEADS = [f"{layer}:{head}" for layer in range(2) for head in range(4)]


def _sampled(testbed, components, keep="response", **changes):
    settings = {"n": [100.0], "beta": 1.0, "localization": 10.0, "steps": 120, "burn_in": 40}
    settings |= {"chains": 16, "thin": 4, "epsilon": 3e-3}
    sampling = Sampling(
        kernel="sgld",
        execution="eager",
        components=[*components, "all"],
        observables={"data": Observation(keep=keep)},
        **(settings | changes),
    )
    found = sample(testbed, testbed.points(), sgld, sampling, seed=0, report=silent)
    return found.assign_attrs(seed=0)


def test_regressions_follow_the_closed_forms():
    testbed = linear_regression.build(BLOCKS, 0)
    blocks, steps = list(testbed.components), [3e-3, 1e-2]
    runs = {
        "plain": _sampled(testbed, blocks, epsilon=steps, chains=48),
        "mirrored": _sampled(testbed, blocks, epsilon=steps, mirror=True),
        "coupled": _sampled(testbed, blocks, epsilon=steps, coupled=True, n=[80.0, 120.0]),
        "traced": _sampled(testbed, blocks, keep="trace", chains=2),
    }
    settings = {"model": BLOCKS, "probes": 5, "bootstrap": 10}
    table, found = susceptibilities_gaussian.measure(
        {name: [draws] for name, draws in runs.items()}, settings
    )
    value = {name.removeprefix("gaussian_"): number.value for name, number in found.items()}
    assert value["response_error"] < 0.01 < value["response_one_sided"]
    assert value["identity"] < 1e-10
    assert value["column_mean"] < 1e-10
    for name in ("restricted", "two_chain", "mirrored", "coupled"):
        assert value[f"{name}_pearson"] > 0.8
        assert abs(value[f"{name}_slope"] - 1) < 0.3
    assert abs(value["stepless_slope"] - 1) > abs(value["restricted_slope"] - 1)
    assert value["coupled_scale_expected"] < 1
    assert value["coupled_gain"] > 1 < value["mirrored_gain"]
    assert set(table.kind) == {"field", "sample"}


def test_the_product_responds_in_the_valley_only():
    testbed = scalar_product.build(CROSSING, 0)
    draws = _sampled(testbed, ["u", "c"], epsilon=1e-3, steps=1000, thin=20, chains=40)
    table, found = susceptibilities_singular.measure(
        {"draws": [draws]}, {"model": CROSSING, "bootstrap": 10}
    )
    assert found["singular_zero"].value < 1e-10
    assert found["singular_population_error"].value < 1e-3
    assert found["singular_restricted_slope"].value == pytest.approx(1, abs=0.4)
    assert found["singular_whole_rise_valley"].value == pytest.approx(1, abs=0.2)
    rises = table[table.kind == "rise"]
    assert (rises[rises.component != "all"].rise[rises.c == 0] >= 0).all()


def _planted(known, seed, *, strength=3.0, noise=0.3):
    """Coupled draws in which induction tokens respond to heads that score above the median."""
    random = np.random.default_rng(seed)
    induction = known.classes == "repeated"
    cells = (known.sequences, known.length)
    signal = {
        head: random.normal(size=len(induction)) - strength * (int(head[-1]) % 2) * induction
        for head in HEADS
    }
    shaken = 40 * (random.random(len(induction)) + induction)
    losses = np.empty((1, len(HEADS) + 1, 2, 4, *cells))
    centre = random.random(cells)
    for place, head in enumerate([*HEADS, "all"]):
        for n, nbeta in enumerate((20.0, 40.0)):
            for chain in range(4):
                error = noise * random.normal(size=len(induction))
                of_tokens = shaken if head == "all" else (signal[head] + error) * nbeta / 20 + 3
                losses[0, place, n, chain] = centre + of_tokens.reshape(cells) * 1e-2
    dims = ("checkpoint", "component", "n", "chain", "mixed_sample", "mixed_token")
    found = xr.Dataset(
        {
            "mixed_loss_mean": (dims, losses),
            "mixed_loss_response": (dims, 1e-4 * random.normal(size=losses.shape)),
            "mixed_total_mean": (dims[:4], losses.mean((-1, -2))),
            "mixed_loss_at_centre": (("checkpoint", *dims[4:]), centre[None]),
            "nbeta": ("n", [20.0, 40.0]),
            "coupled": True,
            "excess_loss": ((*dims[:4], "draw"), np.ones((1, len(HEADS) + 1, 2, 4, 5))),
        },
        coords={"component": [*HEADS, "all"], "step": ("checkpoint", [100])},
        attrs={"seed": seed},
    )
    return found


def _behaviour():
    row = {"step": 100}
    for head in HEADS:
        row |= {f"previous_token {head}": int(head[-1]) % 2, f"prefix {head}": int(head[-1]) % 2}
    return pd.DataFrame([row])


@pytest.fixture(scope="module")
def known():
    return tokens(synthetic_language.mixed(LANGUAGE))


def _inputs(known, **changes):
    draws = [_planted(known, seed, **changes) for seed in range(2)]
    early = [_planted(known, 10 + seed, strength=0.0) for seed in range(2)]
    return {
        "draws": draws,
        "early_draws": early,
        "response": [susceptibilities(one).assign_attrs(one.attrs) for one in draws],
        "early": [susceptibilities(one).assign_attrs(one.attrs) for one in early],
        "behaviour": [_behaviour(), _behaviour()],
    }


def test_planted_responses_are_found(known):
    settings = {"model": LANGUAGE, "bootstrap": 20, "shown": 50}
    table, found = susceptibilities_language.measure(_inputs(known), settings)
    value = {name.removeprefix("language_"): number.value for name, number in found.items()}
    assert not found["language_pc_auc"].doubt
    assert value["reliability"] > 0.7
    assert value["coupled_over_plain"] > 0.3
    assert value["pc_auc"] > 0.95
    assert value["pc_auc_gain"] > 0.25
    assert value["loadings"] > 0.2
    assert value["previous_token"] < -0.5 < value["previous_token_early"]
    assert value["induction_head"] < -0.5
    assert value["first_copy"] > 0.5
    assert value["pc1_share"] > 0.9
    assert value["pc1_fragility"] > 0.9
    assert value["two_chain_positive"] == 1
    assert value["column_mean"] < 1e-6
    assert abs(value["space_excess"]) < 1
    assert value["context"] > 0.5
    assert value["context_growth"] == pytest.approx(1, abs=0.5)
    assert set(table.kind) == {"head", "axis", "class", "token"}


def test_a_noisy_control_decides_no_difference(known):
    inputs = _inputs(known)
    noisy = [_planted(known, seed, noise=50.0) for seed in range(2)]
    inputs |= {"early": [susceptibilities(one).assign_attrs(one.attrs) for one in noisy]}
    settings = {"model": LANGUAGE, "bootstrap": 5, "shown": 50}
    found = susceptibilities_language.measure(inputs, settings)[1]
    assert found["language_pc_auc"].doubt == ""
    assert "would decide" in found["language_pc_auc_gain"].doubt


def test_noise_decides_nothing_about_heads(known):
    settings = {"model": LANGUAGE, "bootstrap": 5, "shown": 50}
    found = susceptibilities_language.measure(_inputs(known, noise=50.0), settings)[1]
    assert "would decide" in found["language_pc_auc"].doubt
    assert found["language_pc1_share"].doubt == ""


def test_probes_are_means_of_tokens(known):
    inputs = _inputs(known)
    settings = {"model": LANGUAGE, "mixed": 0.1, "bootstrap": 20}
    table, found = susceptibilities_probes.measure(
        {name: inputs[name] for name in ("response", "draws")}, settings
    )
    assert found["probes_same_error"].value < 1e-10
    assert found["probes_scale_error"].value < 1e-6
    assert found["probes_pearson"].value > 0.9
    assert found["probes_slope"].value == pytest.approx(10, rel=0.2)
    assert sorted(table.probe.unique()) == sorted(SHARES)


def _points(seed):
    weights = synthetic_language.build(LANGUAGE, seed).initial(torch.Generator().manual_seed(seed))
    index = pd.DataFrame({"step": [100], "seed": [seed]})
    return Points({name: tensor[None] for name, tensor in weights.items()}, index)


def test_ablation_is_what_is_left_out(known):
    text = synthetic_language.mixed(LANGUAGE)
    points = _points(0)
    weights = {name: tensor[0] for name, tensor in points.parameters.items()}
    rises = susceptibilities_ablation.ablations(weights, text, HEADS)
    assert rises["zero"].shape == (len(known.classes), 8)
    without = {**weights, "layer0.out": weights["layer0.out"].clone()}
    without["layer0.out"][2] = 0
    held = torch.from_numpy(text.tokens).long()
    expected = synthetic_language.attention_only.next_token_losses(without, held)
    expected = expected - synthetic_language.attention_only.next_token_losses(weights, held)
    assert np.allclose(rises["zero"][:, 2], expected.ravel().numpy(), atol=1e-5)

    inputs = _inputs(known)
    inputs = {name: inputs[name][:1] for name in ("response", "draws", "behaviour")}
    settings = {"model": LANGUAGE, "circuit": 0.5, "fresh": 40, "bootstrap": 10}
    table, found = susceptibilities_ablation.measure({**inputs, "points": [points]}, settings)
    assert len(table) == 2 * len(HEADS)
    assert table.groupby("way").circuit.sum().tolist() == [4, 4]
    assert found["ablation_gradient"].value == table.gradient.max() > 0
    # Planted responses have nothing to do with these weights.
    assert found["ablation_zero_0"].value < 0.3


def test_gradients_are_those_of_all_pieces(monkeypatch):
    weights = {name: tensor[0] for name, tensor in _points(0).parameters.items()}
    wanted = susceptibilities_ablation.Settings(LANGUAGE, 0.5, 20, 10)
    whole = susceptibilities_ablation.gradient_norms(weights, wanted, HEADS)
    monkeypatch.setattr(susceptibilities_ablation, "PIECE", 7)
    pieces = susceptibilities_ablation.gradient_norms(weights, wanted, HEADS)
    assert np.allclose(whole, pieces, rtol=1e-4)
    assert (whole > 0).all()


def test_contexts_that_do_not_matter_leave_nothing(known):
    made = _planted(known, 0)
    flat = made["mixed_loss_mean"].values.reshape(-1, len(known.classes))
    _, pair = np.unique(np.stack([known.before, known.targets]), axis=1, return_inverse=True)
    random = np.random.default_rng(0)
    of_pair = random.normal(size=(pair.max() + 1,))[pair]
    noise = random.normal(size=flat.shape)
    made["mixed_loss_mean"].values[:] = (of_pair + 0.1 * noise).reshape(
        made["mixed_loss_mean"].shape
    )
    run = matrices(susceptibilities(made), known)
    scores = np.array([0.0, 1, 0, 1, 0, 1, 0, 1])
    assert abs(Model(run, known, scores).context(np.arange(len(known.classes)))) < 0.1


def test_the_median_is_of_the_layer():
    scores, layers = np.array([0.1, 0.2, 5.0, 6.0]), np.array([0, 0, 1, 1])
    assert above_median(scores, layers).tolist() == [False, True, False, True]


def test_other_tokens_are_named(known):
    fewer = susceptibilities(_planted(known, 0)).isel(sample=slice(0, 3))
    with pytest.raises(SettingsError, match="tokens, expected"):
        matrices(fewer, known)


def test_the_gate_says_how_many_draws(known):
    run = matrices(susceptibilities(_planted(known, 0, noise=2.0)), known)
    assert gate([run], 40).endswith("would decide")
    assert gate([matrices(susceptibilities(_planted(known, 0)), known)], 40) == ""
