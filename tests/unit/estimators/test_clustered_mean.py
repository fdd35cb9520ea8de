"""The standard error of a mean over tokens of sequences."""

import torch

from stagewise.estimators.clustered_mean import clustered_mean
from stagewise.seeds import generator


def test_sequences_of_one_token_are_independent() -> None:
    losses = torch.randn(500, 1, generator=generator(0, "losses"), dtype=torch.float64)
    mean, error = clustered_mean(losses, torch.ones_like(losses, dtype=torch.bool))
    assert abs(mean - float(losses.mean())) < 1e-12
    assert abs(error - float(losses.std(correction=0)) / 500**0.5) < 1e-12


def test_equal_tokens_of_a_sequence_count_once() -> None:
    losses = torch.randn(300, 1, generator=generator(1, "losses"), dtype=torch.float64)
    every = torch.ones(300, 8, dtype=torch.bool)
    assert clustered_mean(losses.expand(300, 8), every) == clustered_mean(losses, every[:, :1])


def test_chosen_tokens_only() -> None:
    losses = torch.tensor([[1.0, 2.0, 90.0], [4.0, 90.0, 90.0]])
    chosen = torch.tensor([[True, True, False], [True, False, False]])
    assert abs(clustered_mean(losses, chosen)[0] - 7 / 3) < 1e-6
