"""Deep linear networks, whose learning coefficients are known exactly."""

import itertools
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.linear_regression import gaussian_inputs, noisy_labels, whitened
from stagewise.models.deep_linear import (
    balanced_factors,
    curvature_at,
    curvature_bound,
    cut_factors,
    padded,
    product,
    random_rank_factors,
    rescaled,
)
from stagewise.seeds import stream_seed
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed
from stagewise.theory.aoyagi import deep_linear
from stagewise.theory.deep_linear import generic_coefficient

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A family of deep linear networks with known truths, or one network to be trained."""

    points: Literal["balanced", "generic", "random_rank", "plateaus"] | None = None
    """Where w* lies. balanced: every factor, so every partial product, has the rank of the
    product, the most singular parameter. generic: one factor is cut to that rank, the others
    have full rank, so the fibre is smooth. random_rank: the paper's own generator, each factor
    cut with probability 1/2. plateaus: balanced points of the best rank-k approximations of the
    target of a network that is trained, k = 0, 1, ..."""
    networks: int = 1
    """Networks of random architecture."""
    layers: tuple[int, int] | list[int] = (2, 4)
    """Fewest and most weight matrices."""
    widths: tuple[int, int] | list[int] = (4, 12)
    """Narrowest and widest layer."""
    architectures: list[list[int]] | None = None
    """Widths from input to output of each network, instead of random ones."""
    ranks: list[int] | None = None
    """Rank of the product of each of `architectures`, instead of random ones."""
    least_rank: int = 0
    """Smallest random rank."""
    singular_values: list[float] = field(default_factory=lambda: [1.0, 1.0])
    """Least and largest of the products of `balanced` networks, drawn log-uniformly."""
    rescalings: list[float] | None = None
    """Every network once for each s, with W_1 multiplied by s and W_2 divided by it: the same
    function and coefficient, another geometry. Index column `rescaling`."""
    target: list[float] | None = None
    """Singular values of the map to be learned, for training and for its plateaus."""
    initial_scale: float = 1.0
    """Standard deviation of the initial weights times the square root of the width."""
    samples: int | None = None
    """Standard normal inputs of a real data set; by default the population loss."""
    noise: float = 0.0
    """Standard deviation of the noise of the labels of those samples, of every output."""
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise ValueError(f"noise: must not be negative, got {self.noise}")
        if self.noise and self.samples is None:
            raise ValueError("noise: the population loss has no labels; give `samples`")
        if self.noise and self.points is None:
            raise ValueError("noise: only around known `points`, of networks that are not trained")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """Networks y = W_L ... W_1 x, inputs of unit covariance.

    The loss of a sample is (1/2) |(W_L ... W_1 - C) x|^2; its population mean is
    (1/2) |W_L ... W_1 - C|_F^2. With noise e of the labels C is the map that least squares finds
    on the data, not the true one, and the loss is (1/2) |(W_L ... W_1 - C) x - e|^2 - (1/2) |e|^2
    with e what is then left over. The inputs are whitened, so that its mean over all data is
    (1/2) |W_L ... W_1 - C|_F^2, too, and samplers of the population loss sample the posterior of
    the data. All networks of a family share inputs and noise.

    All networks of the family are zero-padded to one shape, with masks on the padding and
    identities for missing layers, so that they step together.
    """
    model = build_settings(Model, settings, "deep_linear.model")
    dtype = getattr(torch, model.dtype)
    data: dict[str, Tensor] = {}
    shift = None
    widest = max(model.widths[1], *(max(a) for a in model.architectures or [[0]]))
    if model.samples is not None:
        inputs = gaussian_inputs(model.samples, widest, seed)
        if model.noise:
            inputs = whitened(inputs)
            shift, residual = noisy_labels(inputs, widest, model.noise, seed)
            data["residual"] = residual.to(dtype)
        data["x"] = inputs.to(dtype)
    target = _target(model, seed) if model.target else None
    learned = torch.empty(0) if target is None else torch.from_numpy(target).to(dtype)

    def error(w: Parameters, constants: Parameters) -> Tensor:
        return product(w["W"]) - constants.get("target", learned).to(w["W"].device)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        if "x" in batch:
            output = batch["x"] @ error(w, constants).T
            left = 2 * batch["residual"] if "residual" in batch else 0
            return (output * (output - left)).sum(-1) / 2
        return whole(w, constants)[None]

    def whole(w: Parameters, constants: Parameters) -> Tensor:
        return error(w, constants).square().sum() / 2

    def initial(stream: torch.Generator) -> dict[str, Tensor]:
        assert model.architectures is not None
        sizes = model.architectures[0]
        factors = [
            torch.randn(b, a, generator=stream, dtype=torch.float64).numpy()
            * model.initial_scale
            / b**0.5
            for a, b in itertools.pairwise(sizes)
        ]
        return {"W": torch.from_numpy(padded(factors, len(factors), widest)[0]).to(dtype)}

    def points() -> Points:
        return _points(model, widest, dtype, seed, target, shift)

    return Testbed(
        name="deep_linear",
        losses=losses,
        data=data,
        whole=whole if model.noise else None,
        initial=initial if target is not None and model.points is None else None,
        own_truth=lambda w: {"target": product(w["W"])},
        points=points if model.points else None,
    )


def _target(model: Model, seed: int) -> Array:
    """The map to be learned, (width, width) with the output and input in its corner."""
    if not model.architectures or model.target is None:
        raise ValueError("architectures: a network with a target needs its widths")
    sizes = model.architectures[0]
    random = np.random.default_rng(stream_seed(seed, "target"))
    left = np.linalg.qr(random.standard_normal((sizes[-1], sizes[-1])))[0]
    right = np.linalg.qr(random.standard_normal((sizes[0], sizes[0])))[0]
    rank = len(model.target)
    whole = np.zeros((max(sizes), max(sizes)))
    whole[: sizes[-1], : sizes[0]] = (left[:, :rank] * np.array(model.target)) @ right[:, :rank].T
    return whole


def _truths(model: Model, seed: int, target: Array | None) -> list[tuple[list[int], list[Array]]]:
    """(widths, factors) of every network of the family."""
    if model.points == "plateaus":
        assert model.architectures is not None
        assert target is not None
        sizes = model.architectures[0]
        left, values, right = np.linalg.svd(target[: sizes[-1], : sizes[0]])
        ranks = range(len(model.target or []) + 1)
        return [(sizes, balanced_factors(sizes, left, values[:k], right)) for k in ranks]
    found = []
    for number in range(len(model.architectures or [None] * model.networks)):
        random = np.random.default_rng(stream_seed(seed, "network", number))
        if model.architectures:
            sizes = model.architectures[number]
        else:
            depth = random.integers(model.layers[0], model.layers[1] + 1)
            sizes = random.integers(model.widths[0], model.widths[1] + 1, depth + 1).tolist()
        least = model.least_rank
        rank = model.ranks[number] if model.ranks else int(random.integers(least, min(sizes)))
        if model.points == "random_rank":
            found.append((sizes, random_rank_factors(sizes, random)))
        elif model.points == "generic":
            found.append((sizes, cut_factors(sizes, rank, random)))
        else:
            left = np.linalg.qr(random.standard_normal((sizes[-1], sizes[-1])))[0]
            right = np.linalg.qr(random.standard_normal((sizes[0], sizes[0])))[0]
            low, high = np.log(model.singular_values)
            values = np.exp(random.uniform(low, high, rank))
            found.append((sizes, balanced_factors(sizes, left, values, right.T)))
    return found


def _points(
    model: Model,
    widest: int,
    dtype: torch.dtype,
    seed: int,
    target: Array | None,
    shift: Tensor | None,
) -> Points:
    """The true parameters; `shift` is what noise of the labels adds to every true map."""
    truths = [
        (number, scale, sizes, rescaled(factors, scale) if model.rescalings else factors)
        for number, (sizes, factors) in enumerate(_truths(model, seed, target))
        for scale in model.rescalings or [1.0]
    ]
    deepest = max(len(factors) for *_, factors in truths)
    weights, masks, targets, rows = [], [], [], []
    for number, scale, sizes, factors in truths:
        weight, mask = padded(factors, deepest, widest)
        whole = reduce(lambda below, factor: factor @ below, factors)
        truth = np.zeros((widest, widest))
        truth[: sizes[-1], : sizes[0]] = whole
        rank = int(np.linalg.matrix_rank(whole, tol=1e-9))
        exact = deep_linear(sizes, rank)
        weights.append(weight)
        masks.append(mask)
        if shift is None:
            targets.append(truth)
        else:
            exists = np.zeros_like(truth)
            exists[: sizes[-1], : sizes[0]] = 1
            targets.append(truth + shift.numpy() * exists)
        rows.append(
            {
                "step": 0,
                "network": number,
                "widths": "-".join(map(str, sizes)),
                "layers": len(factors),
                "rank": rank,
                "aoyagi": float(exact.value),
                "multiplicity": exact.multiplicity,
                "half_jacobian_rank": float(generic_coefficient(factors)),
            }
        )
        if model.rescalings:
            rows[-1]["rescaling"] = scale
        if model.points in ("balanced", "plateaus"):
            rows[-1]["curvature"] = curvature_bound(factors)
        elif model.points == "random_rank":
            rows[-1]["curvature"] = curvature_at(factors)
        if target is not None:
            rows[-1]["remaining_loss"] = float(np.sum((target - truth) ** 2) / 2)
    return Points(
        {"W": torch.from_numpy(np.stack(weights)).to(dtype)},
        pd.DataFrame(rows),
        {"target": torch.from_numpy(np.stack(targets)).to(dtype)},
        {"W": torch.from_numpy(np.stack(masks))},
    )
