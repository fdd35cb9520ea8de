"""Vectors of tokens with known signal and noise."""

import numpy as np
import pytest

from stagewise.estimators.token_vectors import (
    prepared,
    reliable_vectors,
    sparse_places,
)

random = np.random.default_rng(0)
SIGNAL = random.standard_normal((500, 6))


def halves(noise: list[float]) -> np.ndarray:
    return SIGNAL + np.array(noise) * random.standard_normal((2, 500, 6))


def test_scale_and_offset_of_columns_and_a_common_mode_do_not_matter() -> None:
    common = random.standard_normal((500, 1))
    unit = (SIGNAL - SIGNAL.mean(0)) / SIGNAL.std(0)
    found = prepared(SIGNAL)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(prepared(3.0 + SIGNAL * np.arange(1, 7)), found, atol=1e-12)
    np.testing.assert_allclose(found, unit - unit.mean(1, keepdims=True), atol=1e-12)
    uniform = prepared(np.repeat(common, 6, axis=1))
    np.testing.assert_allclose(uniform, 0, atol=1e-12)
    np.testing.assert_allclose(prepared(SIGNAL, centred=False).std(0), 1)


def test_columns_of_noise_are_left_out() -> None:
    found = reliable_vectors(halves([0.2, 0.2, 0.2, 0.2, 20.0, 0.2]), least=0.5)
    np.testing.assert_array_equal(found.kept, [0, 1, 2, 3, 5])
    assert found.values.shape == (500, 5)
    assert (found.reliability > 0.8).all()
    assert np.isfinite(found.dropped).sum() == 1
    assert abs(found.dropped[4]) < 0.5


def test_three_columns_are_left_whatever_they_are() -> None:
    found = reliable_vectors(random.standard_normal((2, 500, 6)), least=0.5)
    assert len(found.kept) == 3
    assert found.reliability.max() < 0.5


def test_places_are_as_many_as_asked_and_none_of_the_first() -> None:
    chosen = sparse_places(40, 64, first=5, share=0.2, seed=0)
    assert (chosen.sum(1) == 12).all()
    assert not chosen[:, :5].any()
    assert (chosen[0] != chosen[1]).any()
    with pytest.raises(ValueError, match="share"):
        sparse_places(4, 10, first=5, share=0.9, seed=0)


def test_other_than_two_halves_are_refused() -> None:
    with pytest.raises(ValueError, match="halves"):
        reliable_vectors(SIGNAL[None], least=0.5)
