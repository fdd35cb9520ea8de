"""Sizes of perceptrons, linear networks and functions of a few weights, told from settings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from stagewise.planning.sizes import Model, Network


def _perceptron(widths: Sequence[int], **sizes: Any) -> Network:
    weights = sum((before + 1) * after for before, after in pairwise(widths))
    return Network(weights, 2 * weights, **sizes)


def digits_mlp(model: Model, _: Mapping[str, int]) -> Network:
    mnist = model.get("data", "sklearn") == "mnist"
    train = model.get("train", 1500)
    test = model.get("test") or (10_000 if mnist else 1797 - train)
    return _perceptron(
        [784 if mnist else 64, *model.get("hidden", [64]), 10],
        samples=train,
        observables={"train": train, "test": test},
    )


def class_tree(model: Model, _: Mapping[str, int]) -> Network:
    leaves = 2 ** len(model.get("norms", [2.2, 1.6, 1.2]))
    samples = leaves * model.get("samples", 20)
    widths = [model.get("dimensions", 16), *model.get("hidden", [24, 24]), leaves]
    return _perceptron(widths, samples=samples, observables={"train": samples})


def modular_arithmetic(model: Model, _: Mapping[str, int]) -> Network:
    p, hidden, sharing = model.get("modulus", 7), model.get("hidden", 24), model["sharing"]
    task = 0 if sharing == "nothing" else 2
    inputs = 2 * p * (2 if sharing in ("outputs", "hidden") else 1) + task
    results = 2 * p if sharing == "hidden" else p
    towers = 2 if sharing == "nothing" else 1
    one = _perceptron([inputs, hidden, results])
    samples = 2 * p**2
    return Network(
        towers * one.parameters,
        towers * one.operations,
        samples=samples,
        observables={"train": samples},
    )


def semantic_hierarchy(model: Model, _: Mapping[str, int]) -> Network:
    weights = model.get("width", 16) * (8 + 15)  # items and properties
    return Network(weights, 2 * weights, samples=8, observables={"items": 8})


def deep_linear(model: Model, _: Mapping[str, int]) -> Network:
    architectures = model.get("architectures") or []
    widest = max(model.get("widths", [4, 12])[1], *(max(a) for a in architectures or [[0]]))
    depth = max(len(a) - 1 for a in architectures) if architectures else model["layers"][1]
    weights, samples = depth * widest**2, model.get("samples")
    whole = 2 * max(depth - 1, 1) * widest**3
    points = len(architectures) or model.get("networks", 1)
    if model.get("points") == "plateaus":
        points = 1 + len(model.get("target") or [])
    return Network(
        weights,
        2 * weights if samples else whole,
        samples=samples or 1,
        points=points * len(model.get("rescalings") or [1]) if model.get("points") else 0,
        item=4 if model.get("dtype") == "float32" else 8,
        factors=(depth, widest),
        whole=whole if model.get("noise") else None,
    )


def relu_rescaling(model: Model, _: Mapping[str, int]) -> Network:
    inputs, hidden = model.get("inputs", 4), model.get("hidden", 4)
    scales = model.get("scales", [0.25, 0.5, 1.0, 2.0, 4.0])
    return Network(
        hidden * (inputs + 1),
        2 * hidden * (inputs + 1),
        samples=model.get("samples", 256),
        points=model.get("teachers", 6) * len(scales),
        item=8,
    )


def superposition(model: Model, _: Mapping[str, int]) -> Network:
    features, sizes = model.get("features", 6), model.get("samples") or [0]
    sets = model.get("data_sets", 1) if sizes != [0] else 1
    trained = model.get("start") is not None
    return Network(
        3 * features,
        10 * features**2,
        samples=sizes[0] if trained else 1,
        points=0 if trained else len(model["points"]) * len(sizes) * sets,
        item=8,
        whole=10 * features**2,
        columns={"samples": sizes, "phase": model.get("points", [])},
    )


def linear_regression(model: Model, _: Mapping[str, int]) -> Network:
    features, shared = model["features"], model.get("shared") or []
    weights = 2 * features - min(shared) if shared else features
    samples = model["samples"] * (2 if shared else 1)
    return Network(
        weights,
        2 * weights,
        samples=samples,
        points=model.get("data_sets", 1) * (len(shared) or 1),
        item=8,
        observables={"data": samples},
    )


def polynomial(model: Model, _: Mapping[str, int]) -> Network:
    potentials, random = model.get("potentials") or [], model.get("random") or {}
    width = max(
        [len(p["k"]) for p in potentials] + [random.get("greatest_width", 2)] * bool(random)
    )
    prior = [h for p in potentials for h in p.get("h") or [0]]
    radial = 1 + max([*prior, random.get("greatest_h", 0)])
    weights = width * radial if model["kind"] == "monomial" else width
    return Network(weights, 10 * weights, points=len(potentials) + random.get("count", 0), item=8)


def gaussian(model: Model, _: Mapping[str, int]) -> Network:
    weights = model["dimensions"][1] + model.get("flat", 0)
    return Network(weights, 3 * weights, points=model["count"], item=8)


def scalar_product(model: Model, _: Mapping[str, int]) -> Network:
    samples = model["samples"]
    observables = {"data": samples}
    return Network(
        2, 4, samples=samples, points=len(model["centres"]), item=8, observables=observables
    )


def bilinear_language(model: Model, _: Mapping[str, int]) -> Network:
    contexts, tokens, rank = (
        model.get(key, usual) for key, usual in (("contexts", 24), ("tokens", 12), ("rank", 4))
    )
    return Network(
        rank * (contexts + tokens),
        2 * rank * contexts * tokens,
        points=1,
        item=8,
        observables={"pairs": contexts},
        entries=tokens,
    )
