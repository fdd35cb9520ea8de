"""Handwritten digits: the small set that scikit-learn ships, and MNIST by its hub name."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from stagewise.seeds import generator
from stagewise.settings import SettingsError

MNIST = ("ylecun/mnist", "77f3279092a1c1579b2250db8eafed0ad422088c")
"""Name and revision on the Hugging Face hub."""

CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images as vectors of pixels from 0 to 1, with the number each one shows."""

    inputs: Tensor
    """(sample, pixel) float32"""
    labels: Tensor
    """(sample,) int64"""
    test_inputs: Tensor
    test_labels: Tensor


def digits(source: Literal["sklearn", "mnist"], *, train: int) -> Digits:
    """The digits of `source`; the first `train` training images.

    sklearn  1797 images of 8 x 8 pixels, in one fixed random order: the first `train` are for
             training, the rest for testing
    mnist    60,000 images of 28 x 28 pixels for training, 10,000 for testing, from the hub
    Raises SettingsError where there are not enough images, or none can be had.
    """
    images, labels, test_images, test_labels = (
        _sklearn(train) if source == "sklearn" else _mnist(train)
    )
    if len(labels) < train:
        raise SettingsError(f"model.train: {source} has {len(labels)} images, {train} wanted")
    return Digits(
        torch.tensor(images, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(test_images, dtype=torch.float32),
        torch.tensor(test_labels, dtype=torch.int64),
    )


def _sklearn(train: int) -> tuple[Any, ...]:
    # What sklearn.datasets.load_digits reads, without three seconds of importing it.
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise SettingsError("model.data: scikit-learn is not installed, whose digits these are")
    table = np.loadtxt(Path(found.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    images, labels = table[:, :-1], table[:, -1].astype(int)
    order = torch.randperm(len(labels), generator=generator(0, "digits", "split")).numpy()
    images, labels = images[order] / 16, labels[order]
    return images[:train], labels[:train], images[train:], labels[train:]


def _mnist(train: int) -> tuple[Any, ...]:
    from datasets import load_dataset

    name, revision = MNIST
    try:
        found = load_dataset(name, revision=revision)
    except Exception as error:
        raise SettingsError(
            f"model.data: {name} at revision {revision} could not be loaded from the Hugging Face "
            f"hub ({type(error).__name__}: {error}). It needs the network once; afterwards the "
            f"local cache is used."
        ) from error

    def arrays(part: str) -> tuple[Any, Any]:
        rows = found[part].with_format("numpy")
        images = np.stack(list(rows["image"])).reshape(len(rows), -1) / 255
        return images, np.asarray(rows["label"])

    images, labels = arrays("train")
    return images[:train], labels[:train], *arrays("test")


def with_wrong_labels(labels: Tensor, share: float, *, stream: Generator) -> Tensor:
    """The labels with round(share n) of them replaced by another class, uniformly chosen."""
    wrong = round(share * len(labels))
    where = torch.randperm(len(labels), generator=stream)[:wrong]
    shift = torch.randint(1, CLASSES, (wrong,), generator=stream)
    found = labels.clone()
    found[where] = (labels[where] + shift) % CLASSES
    return found
