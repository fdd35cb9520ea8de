"""Sizes of transformers, told from the settings of their testbeds."""

import re
from collections.abc import Mapping
from typing import Any

from stagewise.planning.sizes import Model, Network


def _transformer(
    length: int, width: int, layers: int, vocabulary: int, per_layer: int, **sizes: Any
) -> Network:
    """Matrices of `per_layer` weights act on every token; tables of symbols at both ends."""
    matrices = layers * per_layer + width * vocabulary
    attention = 4 * layers * length**2 * width
    sizes = {"parameters": matrices + width * vocabulary, **sizes}
    return Network(operations=2 * matrices * length + attention, entries=length, **sizes)


def _attention_only(model: Model, length: int, vocabulary: int, **sizes: Any) -> Network:
    width, layers = model.get("width", 64), model.get("layers", 2)
    small = length * width + 2 * width * (layers + 1)  # positions and norms
    return _transformer(
        length,
        width,
        layers,
        vocabulary,
        4 * width**2,
        parameters=layers * 4 * width**2 + 2 * width * vocabulary + small,
        ablated=layers * model.get("heads", 4),
        **sizes,
    )


SOURCES = {"markov": 0.4, "repeats": 0.25, "rules": 0.25, "brackets": 0.1}


def synthetic_language(model: Model, _: Mapping[str, int]) -> Network:
    grammar = model.get("grammar", {})
    spoken = [name for name, share in grammar.get("shares", SOURCES).items() if share > 0]
    symbols = grammar.get("ordinary", 32) + grammar.get("keys", 4) + 2 * grammar.get("brackets", 3)
    alone = model.get("alone", 128)
    return _attention_only(
        model,
        model.get("length", 64),
        symbols + ("indents" in spoken) + 1,
        samples=model.get("train", 65536),
        reported=model.get("test", 256),
        observables={**dict.fromkeys(spoken, alone), "mixed": len(spoken) * min(16, alone)},
    )


def text(model: Model, vocabularies: Mapping[str, int]) -> Network:
    # how many domains there are, and so how large `mixed` is, only the corpus knows: five are usual
    return _attention_only(
        model,
        model.get("length", 64),
        vocabularies[model["corpus"]],
        samples=model.get("train", 65536),
        reported=model.get("test", 256),
        observables={"mixed": 6 * 12},
    )


def bilingual(model: Model, _: Mapping[str, int]) -> Network:
    languages = model.get("languages", {})
    concepts, functions = languages.get("concepts", 24), languages.get("function_words", 2)
    test = model.get("test", 128)
    return _attention_only(
        {"width": 16, "layers": 1, **model},
        2 * model.get("words", 12),
        1 + 2 * (functions + concepts),
        samples=model.get("train", 16384),
        reported=test,
        observables={"text": test},
    )


def gpt_neox(model: Model, vocabularies: Mapping[str, int]) -> Network:
    length, width, layers = model.get("length", 64), model.get("width", 64), model.get("layers", 2)
    vocabulary, test = vocabularies[model["corpus"]], model.get("test", 64)
    return _transformer(
        length,
        width,
        layers,
        vocabulary,
        12 * width**2,
        parameters=layers * (12 * width**2 + 13 * width) + 2 * width * vocabulary + 2 * width,
        samples=model.get("train", 65536),
        reported=test,
        observables={"held_out": test, "train": model.get("train", 65536), "test": test},
    )


def huggingface(model: Model, _: Mapping[str, int]) -> Network | None:
    """Of a name that ends in its size, such as pythia-1.4b."""
    size = re.search(r"-(\d+(?:\.\d+)?)([mb])\b", str(model.get("name", "")).lower())
    if size is None:
        return None
    parameters = round(float(size[1]) * (1e6 if size[2] == "m" else 1e9))
    revisions, context = model.get("revisions") or ["main"], model.get("context", 128)
    data = {"train": model.get("sequences", 512), "held_out": model.get("held_out", 0)}
    return Network(
        parameters,
        2 * parameters * context,
        samples=data["train"],
        reported=model.get("evaluation", 32),
        points=len(revisions),
        columns={"revision": revisions},
        observables={**data, **{f"{name}_tokens": count for name, count in data.items()}},
        entries=context,
    )


def in_context_regression(model: Model, _: Mapping[str, int]) -> Network:
    width, layers, hidden = (model.get(key, 32) for key in ("width", "layers", "mlp"))
    layers = model.get("layers", 2)
    places, ends = 2 * model.get("examples", 8), model.get("dimension", 2) + 1
    layer = 4 * width**2 + 2 * width * hidden
    matrices = layers * layer + 2 * ends * width
    small = places * width + layers * (5 * width + hidden) + 2 * width + ends
    return Network(
        matrices + small,
        2 * matrices * places + 4 * layers * places**2 * width,
        samples=model.get("train", 131072),
        reported=model.get("test", 2048),
        observables={"test": model.get("test", 2048)},
        entries=model.get("examples", 8),
        ablated=0,
    )
