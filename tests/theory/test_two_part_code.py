"""The two-part code and the mixture against integration, brute force and their own theorem."""

import numpy as np
import pytest
from scipy.integrate import dblquad, quad

from stagewise.theory.two_part_code import (
    Model,
    codebook,
    mass_below,
    mixture_redundancy,
    regular_redundancy,
    sample_means,
    two_part_redundancy,
)

MODELS = [Model((1,)), Model((2,)), Model((3,)), Model((1, 1)), Model((1, 2)), Model((1,), 2)]


@pytest.mark.parametrize("powers", [(1,), (2,), (3,), (1, 1), (1, 2), (2, 2), (2, 3)])
@pytest.mark.parametrize("t", [1e-6, 0.01, 0.3, 1.0])
def test_prior_masses_agree_with_integration(powers: tuple[int, ...], t: float) -> None:
    if len(powers) == 1:
        expected = quad(lambda w: w ** powers[0] <= t, 0, 1, points=[t ** (1 / powers[0])])[0]
    else:
        a, b = powers  # the share of w_2 that is small enough for a given w_1 = e^-u
        bend = -np.log(t) / a
        inner, tail = (lambda u: np.exp(-u) * min(1.0, (t * np.exp(a * u)) ** (1 / b))), 40.0
        expected = quad(inner, 0, bend, epsabs=1e-14)[0] + quad(inner, bend, bend + tail)[0]
    assert mass_below(powers, t) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "value", "multiplicity"),
    list(zip(MODELS, [1 / 2, 1 / 4, 1 / 6, 1 / 2, 1 / 4, 1], [1, 1, 1, 2, 1, 1], strict=True)),
)
def test_coefficients_are_those_of_the_monomials(
    model: Model, value: float, multiplicity: int
) -> None:
    assert float(model.coefficient.value) == pytest.approx(value)
    assert model.coefficient.multiplicity == multiplicity


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [2, 64, 1000, 2**18])
def test_codewords_fill_kraft_and_the_truth_has_one(model: Model, n: int) -> None:
    centres, lengths = codebook(model, n)
    assert np.exp(-lengths).sum() == pytest.approx(1, abs=1e-9)
    assert (centres == 0).sum() == 1
    assert np.abs(centres).max() <= 1
    gaps = np.diff(np.sort(centres))
    assert gaps.max() ** 2 / 2 == pytest.approx(1 / n)


def test_redundancy_is_that_of_the_written_out_samples() -> None:
    random = np.random.default_rng(0)
    model = Model((1, 2))
    x = random.standard_normal(50)
    centres, lengths = codebook(model, 50)
    ratios = ((x[:, None] - centres) ** 2 - x[:, None] ** 2).sum(0) / 2
    expected = (lengths + ratios).min()
    assert two_part_redundancy(model, 50, [[x.mean()]])[0] == pytest.approx(expected)


@pytest.mark.parametrize("powers", [(1,), (2,), (3,), (1, 1), (1, 2)])
@pytest.mark.parametrize("n", [10, 200])
def test_mixture_agrees_with_integration(powers: tuple[int, ...], n: int) -> None:
    mean = 1.3 / n**0.5

    def likelihood(*w: float) -> float:
        f = float(np.prod([v**k for v, k in zip(w, powers, strict=True)]))
        return float(np.exp(-n * f * (f / 2 - mean))) / 2 ** len(powers)

    if len(powers) == 1:
        mass = quad(likelihood, -1, 1, points=[-0.5, 0, 0.5])[0]
    else:
        mass = sum(dblquad(likelihood, *ends, -1, 1, epsabs=1e-9)[0] for ends in [(-1, 0), (0, 1)])
    found = mixture_redundancy(Model(powers), n, [[mean]])[0]
    assert found == pytest.approx(-np.log(mass), abs=1e-6)


def test_coordinates_add_up() -> None:
    means = np.array([[0.02, -0.05], [0.0, 0.1]])
    for code in (two_part_redundancy, mixture_redundancy, regular_redundancy):
        one = [code(Model((1,)), 100, means[:, [i]]) for i in (0, 1)]
        np.testing.assert_allclose(code(Model((1,), 2), 100, means), one[0] + one[1])


@pytest.mark.parametrize("model", MODELS)
def test_no_code_beats_the_entropy_on_average(model: Model) -> None:
    random = np.random.default_rng(1)
    means = sample_means(4000, [256], copies=model.copies, random=random)[0]
    for code in (two_part_redundancy, mixture_redundancy, regular_redundancy):
        found = code(model, 256, means)
        assert found.mean() > 3 * found.std() / len(found) ** 0.5


def test_regular_code_is_the_best_point_of_a_grid_of_parameters() -> None:
    n, mean = 50, 0.17
    grid = np.clip((2 / n) ** 0.5 * np.arange(-5, 6), -1, 1)
    f = np.outer(grid, grid**2).ravel()
    expected = 2 * np.log(11) + (n * f * (f / 2 - mean)).min()
    assert regular_redundancy(Model((1, 2)), n, [[mean]])[0] == pytest.approx(expected)


def test_samples_of_a_smaller_n_are_the_first_of_a_larger() -> None:
    random = np.random.default_rng(2)
    means = sample_means(20000, [4, 16], copies=1, random=random)[:, :, 0]
    assert means[0].var() == pytest.approx(1 / 4, rel=0.05)
    assert means[1].var() == pytest.approx(1 / 16, rel=0.05)
    assert np.cov(means)[0, 1] == pytest.approx(1 / 16, rel=0.1)


def test_bad_models_are_refused() -> None:
    with pytest.raises(ValueError, match="powers"):
        Model((1, 0))
    with pytest.raises(ValueError, match="copies"):
        Model((1,), 0)
    with pytest.raises(ValueError, match="one of two must be 1"):
        mixture_redundancy(Model((2, 3)), 100, [[0.0]])
    with pytest.raises(ValueError, match=r"expected \(data set, 2\)"):
        two_part_redundancy(Model((1,), 2), 100, [[0.0]])
    with pytest.raises(ValueError, match="at least 2"):
        codebook(Model((1,)), 1)
