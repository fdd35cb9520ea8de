"""Gradients and Jacobians of single samples."""

import torch

from stagewise.engine.sample_gradients import sample_gradients, sample_jacobians
from stagewise.models import mlp
from stagewise.seeds import generator

WEIGHTS = mlp.initial([5, 4, 3], stream=generator(0, "weights"))
DATA = {"x": torch.randn(6, 5, generator=generator(0, "x")), "y": torch.arange(6) % 3}


def test_each_is_what_a_sample_alone_gives():
    found = sample_gradients(
        lambda w, data: mlp.cross_entropies(w, data["x"], data["y"]), WEIGHTS, DATA
    )
    for sample in range(6):
        free = {name: tensor.clone().requires_grad_() for name, tensor in WEIGHTS.items()}
        one = DATA["x"][sample : sample + 1], DATA["y"][sample : sample + 1]
        mlp.cross_entropies(free, *one).sum().backward()
        for name, tensor in free.items():
            torch.testing.assert_close(found[name][sample], tensor.grad)


def test_jacobians_make_gradients_by_the_chain_rule():
    jacobians = sample_jacobians(lambda w, data: mlp.logits(w, data["x"]), WEIGHTS, DATA)
    gradients = sample_gradients(
        lambda w, data: mlp.cross_entropies(w, data["x"], data["y"]), WEIGHTS, DATA
    )
    slopes = mlp.logits(WEIGHTS, DATA["x"]).softmax(-1) - torch.eye(3)[DATA["y"]]
    for name, jacobian in jacobians.items():
        torch.testing.assert_close(
            gradients[name], torch.einsum("sc,sc...->s...", slopes, jacobian)
        )


def test_inputs_of_layers_are_those_that_make_the_logits():
    first, second = mlp.layer_inputs(WEIGHTS, DATA["x"], torch.tanh)
    assert torch.equal(first, DATA["x"])
    torch.testing.assert_close(
        second @ WEIGHTS["layer2.weight"].T + WEIGHTS["layer2.bias"],
        mlp.logits(WEIGHTS, DATA["x"], torch.tanh),
    )
