"""Gradients and Jacobians of single samples, of one model."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.func import grad, jacrev, vmap
from torch.nn.attention import sdpa_kernel

from stagewise.engine.program import PLAIN

Function = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]


def sample_gradients(
    value: Function, parameters: Mapping[str, Tensor], data: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Of value(parameters, data) -> (sample,) by each tensor, (sample, ...)."""

    def one(w: dict[str, Tensor], sample: dict[str, Tensor]) -> Tensor:
        return value(w, {name: tensor[None] for name, tensor in sample.items()})[0]

    with sdpa_kernel(PLAIN):
        found: dict[str, Tensor] = vmap(grad(one), in_dims=(None, 0))(dict(parameters), dict(data))
    return found


def sample_jacobians(
    outputs: Function, parameters: Mapping[str, Tensor], data: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Of outputs(parameters, data) -> (sample, output) by each tensor, (sample, output, ...)."""

    def one(w: dict[str, Tensor], sample: dict[str, Tensor]) -> Tensor:
        return outputs(w, {name: tensor[None] for name, tensor in sample.items()})[0]

    with sdpa_kernel(PLAIN):
        found: dict[str, Tensor] = vmap(jacrev(one), in_dims=(None, 0))(
            dict(parameters), dict(data)
        )
    return found
