import numpy as np
import pytest
import torch

from stagewise.data import digits as module
from stagewise.data.digits import digits, with_wrong_labels
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.digits_mlp import build


def test_split_is_fixed_and_covers_every_image_once():
    one, two = digits("sklearn", train=1500), digits("sklearn", train=1000)
    assert one.inputs.shape == (1500, 64)
    assert one.test_inputs.shape == (297, 64)
    assert one.inputs.min() == 0
    assert one.inputs.max() == 1
    # The same order whatever the size of the training set.
    assert torch.equal(one.inputs[:1000], two.inputs)
    assert torch.equal(
        torch.cat([one.labels, one.test_labels]).bincount(),
        torch.bincount(torch.cat([two.labels, two.test_labels])),
    )
    assert one.labels.bincount(minlength=10).min() > 120


def test_the_digits_are_those_that_scikit_learn_loads():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    found = digits("sklearn", train=1500)
    pixels = torch.cat([found.inputs, found.test_inputs]).double() * 16
    rows = torch.cat([pixels, torch.cat([found.labels, found.test_labels])[:, None]], dim=1)
    wanted = torch.from_numpy(np.column_stack([images, labels]))
    for table in (rows, wanted):
        order = np.lexsort(table.T.numpy())
        table.copy_(table[torch.from_numpy(order)])
    torch.testing.assert_close(rows, wanted)


def test_wrong_labels_have_their_share_and_are_wrong():
    labels = torch.randint(10, (1500,), generator=generator(0, "labels"))
    found = with_wrong_labels(labels, 0.1, stream=generator(3, "wrong labels"))
    assert int((found != labels).sum()) == 150
    assert found.min() >= 0
    assert found.max() <= 9
    again = with_wrong_labels(labels, 0.1, stream=generator(3, "wrong labels"))
    other = with_wrong_labels(labels, 0.1, stream=generator(4, "wrong labels"))
    assert torch.equal(found, again)
    assert not torch.equal(found, other)


def test_seed_chooses_the_wrong_labels_and_not_the_images():
    one, two = build({"wrong_labels": 0.1}, 0), build({"wrong_labels": 0.1}, 1)
    assert torch.equal(one.data["x"], two.data["x"])
    assert not torch.equal(one.data["y"], two.data["y"])
    assert torch.equal(build({}, 0).data["y"], build({}, 1).data["y"])


def test_too_many_images_are_refused():
    with pytest.raises(SettingsError, match=r"model\.train: sklearn has 1797 images, 2000 wanted"):
        digits("sklearn", train=2000)


def test_mnist_without_network_says_what_it_needs(monkeypatch):
    import datasets

    def unreachable(*arguments, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(SettingsError, match=r"ylecun/mnist at revision 77f3.*needs the network"):
        module.digits("mnist", train=10)


def test_penalty_is_of_the_training_loss_alone():
    plain = build({"hidden": [3], "train": 20, "activation": "tanh"}, 0)
    penalised = build({"hidden": [3], "train": 20, "activation": "tanh", "penalty": 0.5}, 0)
    w = plain.initial(generator(0, "weights"))
    squares = sum(float(tensor.square().sum()) for tensor in w.values())
    apart = penalised.losses(w, {}, plain.data) - plain.losses(w, {}, plain.data)
    torch.testing.assert_close(apart, torch.full((20,), squares / 4))
    train = penalised.observables["train"]
    torch.testing.assert_close(train.losses(w, {}, train.data), plain.losses(w, {}, plain.data))


def test_offset_and_test_change_the_images_only():
    plain, moved = build({"train": 20}, 0), build({"train": 20, "offset": 0.3, "test": 7}, 0)
    torch.testing.assert_close(moved.data["x"], plain.data["x"] - 0.3)
    few, all_of = moved.observables["test"].data, plain.observables["test"].data
    torch.testing.assert_close(few["x"], all_of["x"][:7] - 0.3)
    assert torch.equal(few["y"], all_of["y"][:7])


@pytest.mark.parametrize("settings", [{"penalty": -1.0}, {"test": 0}])
def test_bad_settings_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingsError, match=f"digits_mlp.model.{name}"):
        build(settings, 0)
