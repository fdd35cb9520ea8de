"""The testbeds of the loss kernel: modular arithmetic and classes on a tree."""

import numpy as np
import pytest
import torch
from torch.func import jacrev

from stagewise.data.class_tree import around, leaf_distances, leaf_means
from stagewise.settings import SettingsError
from stagewise.testbeds import class_tree, modular_arithmetic
from stagewise.testbeds.testbed import Testbed

SHARINGS = ("everything", "outputs", "hidden", "nothing")


def fresh(testbed: Testbed) -> dict[str, torch.Tensor]:
    assert testbed.initial is not None
    return testbed.initial(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_labels_are_sums_and_products(sharing: str) -> None:
    data = modular_arithmetic.build({"sharing": sharing, "modulus": 5}, 0).data
    assert len(data["y"]) == 50
    own = 5 if sharing == "hidden" else 0
    for place, (task, y) in enumerate(zip(data["task"], data["y"], strict=True)):
        a, b = divmod(place % 25, 5)
        assert y == ((a * b) % 5 + own if task else (a + b) % 5)


def test_what_tasks_share_of_the_inputs() -> None:
    widths = {"everything": 16, "outputs": 30, "hidden": 30, "nothing": 14}
    for sharing, width in widths.items():
        data = modular_arithmetic.build({"sharing": sharing}, 0).data
        assert data["x"].shape == (98, width)
        operands = data["x"] if sharing == "nothing" else data["x"][:, :-2]
        add, multiply = (operands[data["task"] == task].any(0) for task in (0, 1))
        assert (add & multiply).any() == (sharing in ("everything", "nothing"))
        assert (operands.sum(1) == 2).all()


def test_towers_do_not_touch_each_other() -> None:
    testbed = modular_arithmetic.build({"sharing": "nothing"}, 0)
    slopes = jacrev(lambda w: testbed.losses(w, {}, testbed.data))(fresh(testbed))
    for name, slope in slopes.items():
        own = 0 if name.startswith("add") else 1
        moved = slope.flatten(1).abs().amax(1) > 0
        assert not moved[testbed.data["task"] != own].any()
        assert moved[testbed.data["task"] == own].any()


@pytest.mark.parametrize("sharing", SHARINGS)
def test_outputs_are_the_logits_of_the_losses(sharing: str) -> None:
    testbed = modular_arithmetic.build({"sharing": sharing}, 0)
    w = {name: tensor.double() for name, tensor in fresh(testbed).items()}
    assert testbed.outputs is not None
    logits = testbed.outputs(w).reshape(98, -1)
    single = testbed.losses(fresh(testbed), {}, testbed.data)
    expected = torch.nn.functional.cross_entropy(logits, testbed.data["y"], reduction="none")
    torch.testing.assert_close(single.double(), expected, atol=1e-5, rtol=1e-5)


def test_a_wrong_sharing_is_named() -> None:
    with pytest.raises(SettingsError, match="sharing"):
        modular_arithmetic.build({"sharing": "some"}, 0)


def test_distances_of_leaves() -> None:
    expected = [0, 1, 2, 2, 3, 3, 3, 3]
    assert leaf_distances(3)[0].tolist() == expected
    assert (leaf_distances(3) == leaf_distances(3).T).all()
    assert leaf_distances(3)[5].tolist() == [3, 3, 3, 3, 1, 0, 2, 2]


def test_means_are_nearer_the_nearer_on_the_tree() -> None:
    norms = [4.0, 2.0, 1.0]
    apart: list[np.ndarray] = []
    for seed in range(30):
        means = leaf_means(norms, 16, stream=torch.Generator().manual_seed(seed))
        squares = torch.cdist(means, means).square().numpy()
        apart.append(np.array([squares[leaf_distances(3) == k].mean() for k in range(4)]))
    # paths of two leaves have 2 nodes of each level below their ancestor, in random directions
    assert np.mean(apart, axis=0) == pytest.approx([0, 2, 10, 42], rel=0.2, abs=1e-4)


def test_samples_stand_around_their_means() -> None:
    stream = torch.Generator().manual_seed(0)
    means = leaf_means([2.0, 1.0], 8, stream=stream)
    inputs, labels = around(means, 500, 0.3, stream=stream)
    assert torch.bincount(labels).tolist() == [500] * 4
    assert float((inputs - means[labels]).std()) == pytest.approx(0.3, rel=0.05)


def test_the_seed_draws_the_tree() -> None:
    one, same, other = (class_tree.build({}, seed) for seed in (1, 1, 2))
    assert torch.equal(one.data["x"], same.data["x"])
    assert not torch.equal(one.data["x"], other.data["x"])
    assert one.data["x"].shape == (160, 16)
    with pytest.raises(SettingsError, match="norms"):
        class_tree.build({"norms": []}, 0)
