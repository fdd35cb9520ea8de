"""Many small models as one program: their losses and gradients over flat parameter vectors."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

Shapes = Mapping[str, tuple[int, ...]]
Losses = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]


def flatten(parameters: Mapping[str, Tensor], shapes: Shapes) -> Tensor:
    """Tensors (row, ...) as one matrix (row, d), in the order of `shapes`."""
    return torch.cat([parameters[name].reshape(-1, prod(shapes[name])) for name in shapes], dim=1)


def unflatten(position: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The inverse of `flatten`: views of (..., d) as tensors (..., *shape)."""
    sizes = [prod(shape) for shape in shapes.values()]
    pieces = position.split(sizes, dim=-1)
    return {
        name: piece.unflatten(-1, shape) if shape else piece.squeeze(-1)
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }


class Program:
    """Losses and gradients of many models at once.

    Each mapped function is traced once for each batch shape into a plain list of tensor
    operations; running that list costs half of running the transformations again.
    """

    def __init__(
        self, losses: Losses, shapes: Shapes, constants: Mapping[str, Tensor], *, rows: int
    ) -> None:
        self._losses = losses
        self._shapes = shapes
        self._constants = dict(constants)
        self._rows = rows
        self._traces: dict[tuple[object, ...], Callable[..., Any]] = {}

    def _loss(
        self, parameters: dict[str, Tensor], constants: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> Tensor:
        losses = self._losses(parameters, constants, batch)
        if losses.dim() != 1:
            raise ValueError(
                f"the loss of a testbed must be per sample, shape (sample,); "
                f"it has shape {tuple(losses.shape)}"
            )
        return losses.mean()

    def loss_and_gradient(
        self, position: Tensor, batch: Mapping[str, Tensor], *, shared: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Mean loss (row,) and gradient (row, d) at `position` (row, d).

        `batch` holds tensors (sample, ...) that all rows see, or, with shared=False,
        (row, sample, ...). With k times as many positions as rows, each row's constants serve
        k consecutive positions.
        """
        return self._run("gradient", (position,), dict(batch), shared)

    def loss(self, position: Tensor, batch: Mapping[str, Tensor], *, shared: bool = True) -> Tensor:
        """Mean loss (row,) at `position`, without a gradient."""
        return self._run("loss", (position,), dict(batch), shared)

    def hessian_vector(
        self, position: Tensor, vector: Tensor, batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Hessian of the mean loss at each position times `vector`, both (row, d).

        By differentiating twice: exact also at networks with kinks (relu), where differences of
        gradients would count the kinks between the two points as curvature.
        """
        return self._run("hessian", (position, vector), dict(batch), True)

    def _run(
        self, what: str, points: tuple[Tensor, ...], data: dict[str, Tensor], shared: bool
    ) -> Any:
        """The mapped function of that name at points (row, d) on a batch, from its trace."""
        arguments = [*(("", point) for point in points), *data.items()]
        key = (what, shared, *((name, t.shape, t.dtype) for name, t in arguments))
        with torch.no_grad():
            if key not in self._traces:
                mapped = self._mapped(what, len(points[0]), shared)
                self._traces[key] = make_fx(mapped)(*points, data)
            return self._traces[key](*points, data)

    def _mapped(self, what: str, rows: int, shared: bool) -> Callable[..., Any]:
        """The function that is traced: of points (rows, d) and a batch."""
        constants = self._constants_for(rows)
        batched = None if shared else 0
        loss = vmap(self._loss, in_dims=(0, 0, batched))
        gradient_and_loss = vmap(grad_and_value(self._loss), in_dims=(0, 0, batched))
        product = vmap(grad(self._slope), in_dims=(0, 0, 0, batched))

        def losses(position: Tensor, data: dict[str, Tensor]) -> Tensor:
            return loss(unflatten(position, self._shapes), constants, data)

        def losses_and_gradients(
            position: Tensor, data: dict[str, Tensor]
        ) -> tuple[Tensor, Tensor]:
            gradient, value = gradient_and_loss(unflatten(position, self._shapes), constants, data)
            return value, flatten(gradient, self._shapes)

        def products(position: Tensor, vector: Tensor, data: dict[str, Tensor]) -> Tensor:
            return product(position, vector, constants, data)

        functions: dict[str, Callable[..., Any]] = {
            "loss": losses,
            "gradient": losses_and_gradients,
            "hessian": products,
        }
        return functions[what]

    def _slope(
        self,
        position: Tensor,
        vector: Tensor,
        constants: dict[str, Tensor],
        batch: dict[str, Tensor],
    ) -> Tensor:
        """Derivative of one model's loss at `position` (d,) along `vector` (d,)."""
        gradient = grad(self._loss)(unflatten(position, self._shapes), constants, batch)
        pieces = unflatten(vector, self._shapes)
        return torch.stack([(gradient[name] * pieces[name]).sum() for name in pieces]).sum()

    def _constants_for(self, rows: int) -> dict[str, Tensor]:
        repeats, left = divmod(rows, self._rows)
        if left:
            raise ValueError(f"{rows} positions for {self._rows} rows: not a multiple")
        if repeats == 1:
            return self._constants
        return {k: v.repeat_interleave(repeats, dim=0) for k, v in self._constants.items()}
