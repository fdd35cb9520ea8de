"""The transformer on the synthetic language, as a testbed."""

import pytest
import torch

from stagewise.settings import SettingsError
from stagewise.testbeds.synthetic_language import MIXED, build, mixed, of_class

SMALL = {"train": 64, "test": 8, "alone": 8, "refined": 16, "width": 8, "heads": 2, "length": 20}


def test_parameters_of_the_default_model() -> None:
    testbed = build({"train": 8, "test": 8, "alone": 8, "refined": 8}, 0)
    assert testbed.initial is not None
    weights = testbed.initial(torch.Generator().manual_seed(0))
    assert sum(tensor.numel() for tensor in weights.values()) == 42752


def test_one_language_and_test_for_all_seeds_and_other_training_data() -> None:
    first, second = build(SMALL, 0), build(SMALL, 1)
    assert not torch.equal(first.data["tokens"], second.data["tokens"])
    assert torch.equal(first.evaluation["tokens"], second.evaluation["tokens"])
    other = build(SMALL | {"tables": 1}, 0)
    assert not torch.equal(first.evaluation["tokens"], other.evaluation["tokens"])


def test_posteriors_of_one_source() -> None:
    testbed = build(SMALL, 0)
    repeats = testbed.of("repeats")
    assert repeats.samples == 16
    assert int(repeats.data["tokens"][:, 1:].max()) < 32  # ordinary tokens only
    assert repeats.reported is repeats.data
    with pytest.raises(SettingsError, match=r"distribution: .* 'poems'; it has markov, repeats"):
        testbed.of("poems")


def test_components_are_heads_layers_and_pairs() -> None:
    testbed = build(SMALL, 0)
    assert list(testbed.components)[:3] == ["layer0", "0:0", "0:1"]
    both = testbed.components["0:1+1:0"]
    assert sum(int(mask.sum()) for mask in both.values()) == 2 * 4 * 8 * 4


def test_losses_and_behaviour_are_finite() -> None:
    testbed = build(SMALL, 0)
    assert testbed.initial is not None
    assert testbed.behaviour is not None
    assert testbed.outputs is not None
    weights = testbed.initial(torch.Generator().manual_seed(0))
    losses = testbed.losses(weights, {}, testbed.data)
    assert losses.shape == (64,)
    tokens = testbed.observables["rules"]
    assert tokens.losses(weights, {}, tokens.data).shape == (8, 20)
    assert torch.isfinite(testbed.outputs(weights)).all()


def test_mixed_observable_has_sequences_of_all_sources_and_known_classes() -> None:
    testbed, text = build(SMALL, 0), mixed(SMALL)
    tokens = testbed.observables["mixed"].data["tokens"]
    assert torch.equal(tokens, torch.from_numpy(text.tokens).to(tokens.dtype))
    assert len(tokens) == 4 * min(SMALL["alone"], MIXED)
    assert torch.equal(tokens[:8], testbed.observables["markov"].data["tokens"][:MIXED])
    again = of_class(text, "repeated")
    assert again.shape == tokens[:, 1:].shape
    assert again[8:16].any()
    assert not again[:8].any()


def test_induction_gap_is_the_difference_of_two_scores() -> None:
    testbed = build(SMALL, 0)
    assert testbed.initial is not None
    assert testbed.behaviour is not None
    weights = testbed.initial(torch.Generator().manual_seed(0))
    scores = testbed.behaviour(weights)
    gap = testbed.metrics["induction_gap"](weights, {})
    assert float(gap) == pytest.approx(
        scores["loss_first_copy"] - scores["loss_repeated"], abs=1e-5
    )
