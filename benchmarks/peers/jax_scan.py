"""The same SGLD update in JAX: jit of a scan over steps of a vmap over chains."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def toy(w: Any, batch: Any) -> Any:
    x = batch["x"]
    return ((jax.nn.relu(x @ w["W"].T @ w["W"] + w["b"]) - x) ** 2).sum(-1)


def linear(w: Any, batch: Any) -> Any:
    out = batch["x"]
    for k in range(len(w)):
        out = out @ w[f"W{k}"]
    return ((out - batch["x"]) ** 2).sum(-1)


def digits(w: Any, batch: Any) -> Any:
    hidden = jax.nn.relu(batch["x"] @ w["layer1.weight"].T + w["layer1.bias"])
    out = hidden @ w["layer2.weight"].T + w["layer2.bias"]
    at = jnp.take_along_axis(out, batch["y"][:, None], 1)[:, 0]
    return jax.nn.logsumexp(out, axis=-1) - at


def _normalised(w: Any, name: str, stream: Any) -> Any:
    apart = stream - stream.mean(-1, keepdims=True)
    unit = apart * jax.lax.rsqrt((apart**2).mean(-1, keepdims=True) + 1e-5)
    return unit * w[f"{name}.scale"] + w[f"{name}.shift"]


def attention(w: Any, batch: Any) -> Any:
    tokens = batch["tokens"][:, :-1]
    length = tokens.shape[1]
    stream = w["embed"][tokens]
    future = jnp.triu(jnp.ones((length, length), bool), 1)
    for layer in range(sum(name.endswith(".query") for name in w)):
        seen = _normalised(w, f"layer{layer}.norm", stream)
        placed = seen + w["positions"][:length]
        q = jnp.einsum("spw,hwd->shpd", placed, w[f"layer{layer}.query"])
        k = jnp.einsum("spw,hwd->shpd", placed, w[f"layer{layer}.key"])
        v = jnp.einsum("spw,hwd->shpd", seen, w[f"layer{layer}.value"])
        scores = q @ k.swapaxes(-1, -2) / sqrt(q.shape[-1])
        mixed = jax.nn.softmax(jnp.where(future, -jnp.inf, scores), -1) @ v
        stream = stream + jnp.einsum("shpd,hdw->spw", mixed, w[f"layer{layer}.out"])
    scores = _normalised(w, "norm", stream) @ w["unembed"]
    at = jnp.take_along_axis(scores, batch["tokens"][:, 1:, None], -1)[..., 0]
    return (jax.nn.logsumexp(scores, axis=-1) - at).mean(-1)


LOSSES = {"superposition": toy, "deep": linear, "digits": digits, "attention": attention}


def prepare(
    name: str, workload: Any, chains: int, *, epsilon: float, nbeta: float, gamma: float
) -> Callable[[], None]:
    """A call that makes `workload.steps` steps of all chains, recording the loss of each."""
    losses = LOSSES[name.split("_")[0]]
    centre = {k: jnp.asarray(v.numpy()) for k, v in workload.weights.items()}
    data = {k: jnp.asarray(np.asarray(v)) for k, v in workload.data.items()}
    samples = len(next(iter(data.values())))

    def step(w: Any, key: Any) -> Any:
        pick, *keys = jax.random.split(key, 1 + len(w))
        index = jax.random.randint(pick, (workload.batch,), 0, samples)
        batch = {k: v[index] for k, v in data.items()}
        loss, gradient = jax.value_and_grad(lambda w: losses(w, batch).mean())(w)
        moved = {
            name: w[name]
            - epsilon / 2 * (nbeta * gradient[name] + gamma * (w[name] - centre[name]))
            + sqrt(epsilon) * jax.random.normal(noise, w[name].shape)
            for name, noise in zip(w, keys, strict=True)
        }
        return moved, loss

    @jax.jit
    def run(w: Any, keys: Any) -> Any:
        return jax.lax.scan(lambda w, key: jax.vmap(step)(w, key), w, keys)

    state = {k: jnp.repeat(v[None], chains, 0) for k, v in centre.items()}
    keys = jax.random.split(jax.random.key(0), (workload.steps, chains))

    def call() -> None:
        jax.block_until_ready(run(state, keys))

    return call
