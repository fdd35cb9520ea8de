"""Deep linear networks: points, padding, and block Gibbs against exact values."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import llc_table
from stagewise.models.deep_linear import (
    balanced_factors,
    curvature_at,
    cut_factors,
    padded,
    product,
)
from stagewise.progress import silent
from stagewise.samplers import deep_linear_gibbs, sgld
from stagewise.settings import SettingsError
from stagewise.testbeds import deep_linear
from stagewise.theory.aoyagi import deep_linear as aoyagi
from stagewise.theory.deep_linear import jacobian_rank


def gibbs(**settings):
    return Sampling(kernel="deep_linear_gibbs", burn_in=100, localization=1.0, **settings)


def test_padding_leaves_the_product_unchanged():
    random = np.random.default_rng(0)
    factors = [random.standard_normal(shape) for shape in ((4, 3), (2, 4))]
    whole, mask = padded(factors, layers=4, width=6)
    expected = np.zeros((6, 6))
    expected[:2, :3] = factors[1] @ factors[0]
    # Missing layers are identities, so rows beyond the output stay zero.
    np.testing.assert_allclose(product(torch.from_numpy(whole)).numpy(), expected, atol=1e-14)
    assert mask.sum() == sum(factor.size for factor in factors)


@pytest.mark.parametrize("widths", [[5, 4], [4, 6, 3], [5, 4, 6, 5, 4]])
def test_balanced_factors_have_the_product_and_the_rank_everywhere(widths):
    random = np.random.default_rng(1)
    left = np.linalg.qr(random.standard_normal((widths[-1], widths[-1])))[0]
    right = np.linalg.qr(random.standard_normal((widths[0], widths[0])))[0]
    values = np.array([3.0, 0.5])
    factors = balanced_factors(widths, left, values, right)
    whole = left[:, :2] @ np.diag(values) @ right[:2]
    partial = np.eye(widths[0])
    for factor in factors:
        partial = factor @ partial
        assert np.linalg.matrix_rank(partial) == 2
    np.testing.assert_allclose(partial, whole, atol=1e-12)


def test_cut_factors_have_one_low_rank_and_unit_singular_values():
    factors = cut_factors([6, 5, 7, 4], 2, np.random.default_rng(2))
    ranks = [np.linalg.matrix_rank(factor) for factor in factors]
    assert sorted(ranks)[0] == 2
    assert sum(rank == min(f.shape) for rank, f in zip(ranks, factors, strict=True)) == 2
    for factor, rank in zip(factors, ranks, strict=True):
        values = np.linalg.svd(factor, compute_uv=False)
        np.testing.assert_allclose(values[:rank], 1, atol=1e-12)


def test_curvature_is_the_largest_eigenvalue_of_the_hessian():
    factors = cut_factors([4, 3, 5], 2, np.random.default_rng(5))
    factors = [3 * factor for factor in factors]
    truth = factors[1] @ factors[0]

    def loss(flat):
        first, second = flat[:12].reshape(3, 4), flat[12:].reshape(5, 3)
        return (second @ first - torch.from_numpy(truth)).square().sum() / 2

    flat = torch.from_numpy(np.concatenate([factor.ravel() for factor in factors]))
    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat))[-1]
    assert abs(curvature_at(factors) / float(exact) - 1) < 1e-10
    assert curvature_at([np.zeros((3, 4)), np.zeros((5, 3))]) == 2


def test_points_carry_their_exact_coefficients():
    settings = {"points": "balanced", "architectures": [[6, 4, 6], [5, 4, 3, 4]], "ranks": [1, 2]}
    points = deep_linear.build({**settings, "widths": [3, 6]}, seed=0).points()
    assert list(points.index.aoyagi) == [
        float(aoyagi([6, 4, 6], 1).value),
        float(aoyagi([5, 4, 3, 4], 2).value),
    ]
    first = points.parameters["W"][0].numpy()
    factors = [first[0][:4, :6], first[1][:6, :4]]
    assert points.index.half_jacobian_rank[0] == jacobian_rank(factors) / 2


def test_one_factor_alone_is_a_gaussian():
    # One layer: K = |W - C|^2 / 2 is regular, n beta E[K] = (d/2) n beta / (n beta + gamma).
    settings = {"points": "balanced", "architectures": [[3, 4]], "ranks": [2], "widths": [3, 4]}
    testbed = deep_linear.build(settings, seed=0)
    sampling = gibbs(steps=300, chains=4, n=[50.0])
    draws = sample(testbed, testbed.points(), deep_linear_gibbs, sampling, seed=0, report=silent)
    nbeta = float(draws.nbeta[0])
    # Rao-Blackwell: with one factor the reported loss is the exact expectation at every draw.
    np.testing.assert_allclose(
        nbeta * draws.excess_loss.values, 6 * nbeta / (nbeta + 1), rtol=1e-10
    )


def test_gibbs_is_the_same_in_a_family_as_alone():
    alone = deep_linear.build(
        {"points": "balanced", "architectures": [[2, 2, 2]], "ranks": [1], "widths": [2, 2]}, seed=0
    )
    family = deep_linear.build(
        {
            "points": "balanced",
            "architectures": [[2, 2, 2], [5, 4, 3, 6]],
            "ranks": [1, 2],
            "widths": [2, 6],
        },
        seed=0,
    )
    sampling = gibbs(steps=1100, chains=8, n=[1e6])
    found = []
    for testbed in (alone, family):
        draws = sample(
            testbed, testbed.points(), deep_linear_gibbs, sampling, seed=3, report=silent
        )
        found.append(llc_table(draws).iloc[0])
    error = np.hypot(found[0].standard_error, found[1].standard_error)
    assert abs(found[0].lambda_hat - found[1].lambda_hat) < 4 * error
    assert error < 0.02


def test_gibbs_reaches_the_reference_values():
    # Independently measured finite-n values at n = 1e6, gamma = 1, known to about 0.04.
    settings = {
        "points": "balanced",
        "architectures": [[2, 2, 2], [6, 4, 6], [6, 6, 6, 6], [5, 4, 3, 4]],
        "ranks": [0, 1, 1, 2],
        "widths": [2, 6],
    }
    testbed = deep_linear.build(settings, seed=0)
    sampling = gibbs(steps=600, chains=4, n=[1e6])
    draws = sample(testbed, testbed.points(), deep_linear_gibbs, sampling, seed=1, report=silent)
    table = llc_table(draws)
    reference = np.array([1.50, 11.81, 13.63, 7.86])
    error = np.hypot(table.standard_error, 0.04)
    assert (np.abs(table.lambda_hat - reference) < 4 * error).all()


def test_gibbs_agrees_with_sgld_at_a_generic_point():
    # With gamma = 100 SGLD also reaches equilibrium along the fibre, in 2/(epsilon gamma) steps.
    settings = {"points": "generic", "architectures": [[5, 4, 4]], "ranks": [2], "widths": [4, 5]}
    testbed = deep_linear.build(settings, seed=0)
    points = testbed.points()
    exact = sample(
        testbed,
        points,
        deep_linear_gibbs,
        replace(gibbs(steps=600, chains=4, n=[1e4]), localization=100.0),
        seed=0,
        report=silent,
    )
    langevin = Sampling(
        kernel="sgld",
        steps=4000,
        burn_in=1000,
        chains=16,
        localization=100.0,
        n=[1e4],
        epsilon=0.1,
        epsilon_unit="curvature",
        thin=5,
    )
    found = sample(testbed, points, sgld, langevin, seed=0, report=silent)
    one, other = llc_table(exact).iloc[0], llc_table(found).iloc[0]
    # SGLD's own bias is at most epsilon kappa / 4 = 2.5 % of every direction.
    assert abs(other.lambda_hat / one.lambda_hat - 1) < 0.025 + 4 * other.standard_error / 13


def test_own_truth_makes_a_plateau_a_minimum():
    settings = {"architectures": [[4, 4, 4]], "target": [2.0, 1.0], "widths": [4, 4]}
    testbed = deep_linear.build(settings, seed=0)
    start = testbed.initial(torch.Generator().manual_seed(0))
    constants = testbed.own_truth(start)
    assert float(testbed.losses(start, constants, {})) == 0
    assert float(testbed.losses(start, {}, {})) > 1


def test_plateaus_have_the_levels_of_the_target():
    settings = {
        "points": "plateaus",
        "architectures": [[4, 5, 4]],
        "target": [3.0, 2.0],
        "widths": [4, 5],
    }
    points = deep_linear.build(settings, seed=0).points()
    np.testing.assert_allclose(points.index.remaining_loss, [6.5, 2.0, 0.0], atol=1e-12)
    assert list(points.index["rank"]) == [0, 1, 2]


NOISY = {"points": "balanced", "samples": 400, "noise": 2.0, "widths": [3, 5]}


def test_noisy_labels_have_the_sufficient_statistics_of_their_samples():
    settings = {**NOISY, "architectures": [[4, 3, 5], [3, 3]], "ranks": [2, 1]}
    testbed = deep_linear.build(settings, seed=0)
    points = testbed.points()
    clean = deep_linear.build({**settings, "noise": 0.0}, seed=0).points()
    for row, shape in enumerate([(5, 4), (3, 3)]):
        w = {"W": points.parameters["W"][row]}
        w["W"] = w["W"] + torch.from_numpy(np.random.default_rng(row).normal(size=w["W"].shape))
        w["W"] = torch.where(points.masks["W"][row], w["W"], points.parameters["W"][row])
        constants = {"target": points.constants["target"][row]}
        mean = testbed.losses(w, constants, testbed.data).mean()
        torch.testing.assert_close(mean, testbed.whole(w, constants), rtol=1e-10, atol=1e-12)
        # least squares on the labels y = C x + noise finds the target; the noise is of size 2
        x, residual = testbed.data["x"], testbed.data["residual"]
        target = constants["target"]
        labels = x @ target.T + residual
        found = torch.linalg.lstsq(x, labels).solution.T
        torch.testing.assert_close(found[: shape[0], : shape[1]], target[: shape[0], : shape[1]])
        shift = target - clean.constants["target"][row]
        assert not shift[shape[0] :].any()
        assert not shift[:, shape[1] :].any()
        noise = residual + x @ shift.T
        assert abs(float(noise[:, 0].std()) - 2) < 0.3
        assert 0.3 * 2 / 20 < float(shift[: shape[0], : shape[1]].std()) < 3 * 2 / 20


def test_gibbs_draws_from_the_posterior_of_noisy_labels():
    # One layer: every entry is Gaussian, of precision n beta + gamma, between the tether's centre
    # C and the least squares solution C + shift.
    testbed = deep_linear.build({**NOISY, "architectures": [[3, 5]], "ranks": [2]}, seed=1)
    points = testbed.points()
    sampling = gibbs(steps=300, chains=4, n=[50.0])
    draws = sample(testbed, points, deep_linear_gibbs, sampling, seed=0, report=silent)
    nbeta = float(draws.nbeta[0])
    size = float((points.constants["target"] - product(points.parameters["W"][0])).square().sum())
    expected = 15 * nbeta / (nbeta + 1) / 2 + nbeta * size / 2 * ((1 / (nbeta + 1)) ** 2 - 1)
    np.testing.assert_allclose(nbeta * draws.excess_loss.values, expected, rtol=1e-8)


def test_minibatches_of_noisy_labels_heat_sgld():
    # Of one layer, whose sample gradients at the truth have variance 4 in every entry.
    testbed = deep_linear.build({**NOISY, "architectures": [[3, 5]], "ranks": [2]}, seed=2)
    points = testbed.points()
    common = {"kernel": "sgld", "n": [400.0], "localization": 1.0, "chains": 16, "epsilon": 0.004}
    found = []
    for batch in (None, 20):
        sampling = Sampling(**common, steps=3000, burn_in=500, batch=batch)
        draws = sample(testbed, points, sgld, sampling, seed=0, report=silent)
        nbeta = float(draws.nbeta[0])
        found.append(float(nbeta * draws.excess_loss.mean()))
    precision = nbeta + 1
    size = float((points.constants["target"] - product(points.parameters["W"][0])).square().sum())
    held = nbeta * size / 2 * (1 / precision**2 - 1)
    step = 1 / (1 - 0.004 * precision / 4)
    heat = 0.004 / 4 * nbeta**2 * 4 / 20
    assert abs(found[0] / (15 * nbeta / precision / 2 * step + held) - 1) < 0.05
    assert abs(found[1] / (15 * nbeta / precision / 2 * step * (1 + heat) + held) - 1) < 0.1


@pytest.mark.parametrize(
    "settings", [{"noise": 1.0, "points": "balanced"}, {**NOISY, "points": None}]
)
def test_noise_needs_samples_and_known_points(settings):
    with pytest.raises(SettingsError, match="noise"):
        deep_linear.build(settings, seed=0)
