"""The testbed of text: what it is trained on, and what it refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stagewise.data.tokens import BEGINNING, Tokens
from stagewise.engine.behaviour import outputs, score_table
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.testbeds.text import MIXED, build, mixed

SMALL = {"corpus": "c", "length": 20, "block": [3, 8], "train": 400, "test": 60}
SMALL |= {"alone": 20, "refined": 30, "width": 8, "heads": 2}


def corpus() -> Tokens:
    """Train counts up over even numbers, test over odd ones: it shows where a window is from."""
    even, odd = np.arange(2, 300, 2), np.arange(1, 300, 2)
    return Tokens(300, {"a": even[:70], "b": even[70:]}, {"a": odd[:70], "b": odd[70:]})


def made(seed: int = 0, **other: Any) -> Testbed:
    return build(SMALL | other, seed, corpus())


def is_text(tokens: torch.Tensor) -> torch.Tensor:
    return (tokens[:, 1:].diff(dim=1) == 2).all(1)


def test_training_and_held_out_sequences() -> None:
    testbed = made()
    data, reported = testbed.data["tokens"], testbed.evaluation["tokens"]
    assert data.shape == (400, 21)
    assert (data[:, 0] == BEGINNING).all()
    assert int(is_text(data).sum()) == 280
    assert int(is_text(reported).sum()) == 42
    assert (data[is_text(data)][:, 1:] % 2 == 0).all()
    assert (reported[is_text(reported)][:, 1:] % 2 == 1).all()
    other = made(1)
    assert not torch.equal(data, other.data["tokens"])
    assert torch.equal(reported, other.evaluation["tokens"])
    assert is_text(made(block_share=0.0).data["tokens"]).all()
    assert set(testbed.distributions) == {"a", "b", "blocks"}
    assert set(testbed.observables) == {"a", "b", "blocks", "mixed"}
    alone = testbed.distributions["a"]["tokens"]
    assert alone[:, 1:].max() <= 140
    assert (alone[:, 1:] % 2 == 0).all()


def test_mixed_sequences_are_the_first_of_each_kind() -> None:
    testbed, found = made(1), mixed(SMALL, corpus())
    observed = testbed.observables["mixed"].data["tokens"]
    np.testing.assert_array_equal(observed, found.tokens)
    assert found.kinds == [name for name in ("a", "b", "blocks") for _ in range(MIXED)]
    for place, name in enumerate(("a", "b", "blocks")):
        alone = testbed.observables[name].data["tokens"][:MIXED]
        assert torch.equal(observed[place * MIXED : (place + 1) * MIXED], alone)
    for row, size in zip(found.tokens[2 * MIXED :], found.sizes[2 * MIXED :], strict=True):
        np.testing.assert_array_equal(row[1 + size :], row[1:-size])
    assert not found.sizes[: 2 * MIXED].any()


def test_loss_is_the_mean_of_the_observed_token_losses() -> None:
    testbed = made()
    assert testbed.initial is not None
    w = testbed.initial(generator(0, "w"))
    observed = testbed.observables["b"]
    per_token = observed.losses(w, {}, observed.data)
    assert per_token.shape == (20, 20)
    torch.testing.assert_close(testbed.losses(w, {}, observed.data), per_token.mean(1))


def test_behaviour_and_outputs_of_checkpoints() -> None:
    testbed = made()
    assert testbed.initial is not None
    models = [testbed.initial(generator(seed, "w")) for seed in (0, 1)]
    stacked = {name: torch.stack([model[name] for model in models]) for name in models[0]}
    points = Points(stacked, pd.DataFrame({"step": [0, 1], "loss": [6.0, 6.0]}))
    table = score_table(testbed, points, "behaviour")
    assert np.isfinite(table.drop(columns=["loss_repeated", "loss_repeated_error"])).all(axis=None)
    assert outputs(testbed, points)["outputs"].shape == (2, 8 * 20 * 300)


def test_induction_gap_is_the_difference_of_two_scores() -> None:
    testbed = made()
    assert testbed.initial is not None
    assert testbed.behaviour is not None
    w = testbed.initial(generator(0, "w"))
    scores = testbed.behaviour(w)
    gap = testbed.metrics["induction_gap"](w, {})
    assert float(gap) == pytest.approx(
        scores["loss_first_copy"] - scores["loss_second_copy"], abs=1e-5
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"length": 75}, r"^text\.model\.length: 75 tokens, but a has only 70"),
        ({"length": 15}, r"^text\.model\.length: 15 tokens do not hold a block of 8 twice"),
        ({"block": [8, 3]}, r"^text\.model\.block: must be"),
        ({"block_share": 1.0}, r"^text\.model\.block_share: must be"),
        ({"test": 0}, r"^text\.model\.test: must be at least 1"),
        ({"lenght": 20}, r"^text\.model\.lenght: unknown setting"),
    ],
)
def test_wrong_settings(other: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made(**other)


def test_without_a_corpus() -> None:
    with pytest.raises(SettingsError, match=r"text\.model\.corpus: missing"):
        build({}, 0)
    with pytest.raises(SettingsError, match=r"text\.model\.corpus: the testbed needs"):
        build(SMALL, 0)


def test_more_tokens_than_positions() -> None:
    testbed = made()
    assert testbed.initial is not None
    w = testbed.initial(generator(0, "w"))
    longer = made(length=30).data
    with pytest.raises(ValueError, match="30 places, but the model has positions for 20"):
        testbed.losses(w, {}, longer)
