import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stagewise.findings import llc_heuristics, llc_rescaling

SETTINGS = {
    "learning_rate": [0, 1, 2, 3],
    "batch": [4, 5],
    "momentum": [0, 6],
    "twins": [1, 7],
    "accuracy": 0.99,
    "repeats": 60,
}
CONFIGURATIONS = [
    (0.1, 64, 0.0), (0.2, 64, 0.0), (0.4, 64, 0.0), (0.8, 64, 0.0),
    (0.3, 8, 0.0), (0.3, 512, 0.0), (0.1, 64, 0.9), (0.2, 64, 0.0),
]  # fmt: skip
KINDS = ("scheduled", "passage", "target")


def _draws(values, index, seed, *, chains=4, n=2000):
    """Draws whose estimates are `values` (checkpoint,), with small independent noise."""
    random = np.random.default_rng(seed)
    nbeta = n / np.log(n)
    noise = random.normal(0, 0.05, (len(values), 1, chains, 50))
    excess = (np.asarray(values)[:, None, None, None] + noise) / nbeta
    dims = ("checkpoint", "n", "chain", "draw")
    variables = {
        "excess_loss": (dims, excess),
        "distance": (dims, np.ones_like(excess)),
        "acceptance": (dims[:3], np.ones(excess.shape[:3])),
        "nbeta": ("n", [nbeta]),
        "gradient_norm": ("checkpoint", np.full(len(excess), 0.1)),
        **{
            name: (dims[:2], np.ones(excess.shape[:2]))
            for name in ("rhat", "ess_bulk", "ess_tail", "drift")
        },
    }
    coordinates = {name: ("checkpoint", column.to_numpy()) for name, column in index.items()}
    return xr.Dataset(variables, coords={"n": [float(n)], **coordinates}).assign_attrs(seed=seed)


def _inputs(estimate, *, descent=-0.05, accuracy=1.0, seeds=6):
    inputs = {}
    for labels in llc_heuristics.LABELS:
        for name in ("sgld", "noiseless", "curvature"):
            inputs[f"{labels}_{name}"] = []
        for seed in range(seeds):
            rows = [
                {
                    "configuration": place, "kind": kind, "step": 10, "descended": 0,
                    "learning_rate": rate, "batch": batch, "momentum": momentum,
                    "loss": 0.1 * rate, "norm": 1.0 + batch,
                    "model": 0, "test_accuracy": 0.9 + 0.01 * momentum + 0.001 * seed,
                    "train_accuracy": accuracy if place == 0 else 1.0,
                }
                for place, (rate, batch, momentum) in enumerate(CONFIGURATIONS)
                for kind in KINDS
            ]  # fmt: skip
            index = pd.DataFrame(rows)
            values = [estimate(*CONFIGURATIONS[row["configuration"]], seed) for row in rows]
            inputs[f"{labels}_sgld"].append(_draws(values, index, seed))
            still = _draws(np.full(len(rows), descent), index, seed, chains=1)
            inputs[f"{labels}_noiseless"].append(still)
            inputs[f"{labels}_curvature"].append(
                index.assign(
                    seed=seed, trace=np.asarray(values) ** 2, trace_error=0.1,
                    top_eigenvalue=1.0,
                )
            )  # fmt: skip
    return inputs


def _papers_way(rate, batch, momentum, seed):
    return 10 - 5 * rate / (1 - momentum) ** 0.5 + np.log2(batch / 64) + 0.1 * seed


def test_an_effect_in_the_papers_direction_is_found():
    table, found = llc_heuristics.measure(_inputs(_papers_way), SETTINGS)
    assert len(table) == 2 * 6 * 3 * 8
    for labels in ("clean", "noisy"):
        assert found[f"learning_rate_{labels}_matched"].high < -0.8
        assert found[f"batch_{labels}_matched"].low > 0.8
        assert found[f"momentum_{labels}_matched"].high < -0.8
        assert found[f"learning_rate_{labels}_matched"].doubt == ""
        assert found[f"learning_rate_{labels}_matched"].n == 6
        assert found[f"trace_{labels}_matched"].value == pytest.approx(1, abs=1e-3)
    assert found["learning_rate_p_clean_matched"].value < 0.02
    assert found["paper_learning_rate"].value == -1
    assert found["paper_batch"].value < 1e-6
    assert found["paper_left_out"].value == 0
    assert found["batch_effect_clean_fixed"].value == pytest.approx(5.75 / 11.75 - 1, abs=0.02)


def test_no_effect_is_not_found_and_the_controls_are_quiet():
    def flat(rate, batch, momentum, seed):
        return 5 + np.random.default_rng([seed, int(100 * rate), batch]).normal(0, 0.5)

    _, found = llc_heuristics.measure(_inputs(flat), SETTINGS)
    for sweep in ("learning_rate", "batch"):
        number = found[f"{sweep}_clean_matched"]
        assert number.low < 0 < number.high
        assert found[f"{sweep}_p_clean_matched"].value > 0.05
        # Mean of 60 permutations of 24 runs: standard error 0.03.
        assert abs(found[f"{sweep}_permuted_clean_matched"].value) < 0.12
    twins = found["twins_clean_matched"]
    assert twins.low < 0.01
    assert twins.high > -0.01


def test_descent_and_negative_estimates_raise_doubts():
    _, found = llc_heuristics.measure(_inputs(_papers_way, descent=-4.0), SETTINGS)
    assert "not minima" in found["batch_clean_matched"].doubt
    assert found["descent_clean_matched"].value > 0.3
    # The descent of 4 in every run, added back.
    net = found["batch_net_effect_clean_fixed"].value
    assert net == pytest.approx(9.75 / 15.75 - 1, abs=0.02)
    _, found = llc_heuristics.measure(
        _inputs(lambda rate, batch, momentum, seed: -1.0 - rate), SETTINGS
    )
    assert "negative" in found["learning_rate_noisy_fixed"].doubt
    assert found["negative_noisy_fixed"].value == 1


def test_undertrained_runs_do_not_count_in_the_papers_comparison():
    def reversed_at_first(rate, batch, momentum, seed):
        return 1.0 if (rate, momentum) == (0.1, 0.0) else _papers_way(rate, batch, momentum, seed)

    _, found = llc_heuristics.measure(_inputs(reversed_at_first, accuracy=0.9), SETTINGS)
    assert found["paper_left_out"].value == 6 * 1
    assert found["paper_learning_rate"].value == -1
    assert np.isnan(found["paper_momentum"].value)
    assert found["learning_rate_clean_fixed"].value > -0.5


def _rescaling_inputs(estimate, *, teachers=5):
    scales = [0.25, 1.0, 4.0]
    index = pd.DataFrame(
        [
            {"teacher": teacher, "scale": scale, "coefficient": 8.0}
            for teacher in range(teachers)
            for scale in scales
        ]
    )
    random = np.random.default_rng(0)
    inputs = {
        name: [
            _draws([estimate(name, s) + random.normal(0, 0.1) for s in index["scale"]], index, 3)
        ]
        for name in llc_rescaling.SAMPLINGS
    }
    trace = index["scale"] ** 2 + index["scale"] ** -2
    return inputs | {"curvature": [index.assign(seed=3, trace=trace)]}


def test_invariance_and_its_absence():
    def estimate(sampling, scale):
        return 8 / (1 + scale) if sampling == "tethered" else 8.0

    table, found = llc_rescaling.measure(_rescaling_inputs(estimate), {"repeats": 200})
    assert len(table) == 3 * 5 * 3
    assert found["rescaling_ratio"].high < 1.05
    assert found["rescaling_bias"].high < 0.03
    assert found["rescaling_trace_ratio"].value == pytest.approx(16.0625 / 2)
    assert found["rescaling_tethered_ratio"].value == pytest.approx(4, rel=0.1)
    assert found["rescaling_ratio"].n == 5
