"""Mapped losses and gradients against plain automatic differentiation of one model."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stagewise.engine.flat import flatten, unflatten
from stagewise.engine.program import Program

SHAPES = {"A": (2, 3), "b": (), "T": (2, 1, 2), "c": (3,)}
SIZE = 6 + 1 + 4 + 3
ROWS, SAMPLES = 4, 5


def losses(w: Any, constants: Any, batch: Any) -> Tensor:
    """Uses every tensor, a scalar, a constant, an in-place-like chain and a kink."""
    hidden = torch.tanh(batch["x"] @ w["A"].T + w["b"])  # (sample, 2)
    mixed = torch.einsum("sh,hok->sk", hidden, w["T"]) + torch.relu(w["c"][:2]) * constants["m"]
    return (mixed.sum(-1) - batch["y"] * w["c"][2] ** 2).square() + constants["z"] * w["b"]


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64).to(dtype)


def case(dtype: torch.dtype = torch.float64) -> tuple[Tensor, dict[str, Tensor]]:
    constants = {"m": normal(ROWS, 2, seed=1, dtype=dtype), "z": normal(ROWS, seed=2, dtype=dtype)}
    return normal(ROWS, SIZE, seed=0, dtype=dtype), constants


def one_model(position: Tensor, constants: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
    """The mean loss of one model from a flat vector, cut by hand."""
    w = {
        "A": position[:6].reshape(2, 3),
        "b": position[6],
        "T": position[7:11].reshape(2, 1, 2),
        "c": position[11:14],
    }
    return losses(w, constants, batch).mean()


def expected(
    position: Tensor, constants: dict[str, Tensor], batches: list[dict[str, Tensor]]
) -> tuple[Tensor, Tensor]:
    found = []
    for row, batch in enumerate(batches):
        point = position[row].clone().requires_grad_()
        loss = one_model(point, {k: v[row] for k, v in constants.items()}, batch)
        found.append((loss.detach(), torch.autograd.grad(loss, point)[0]))
    return torch.stack([loss for loss, _ in found]), torch.stack([g for _, g in found])


@pytest.mark.parametrize(("alone", "shares"), [(True, 1), (False, 1), (False, 5)])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_against_autograd(
    shared: bool, dtype: torch.dtype, tolerance: float, alone: bool, shares: int
) -> None:
    """Tolerances are a hundred roundings of sums of a few dozen terms."""
    position, constants = case(dtype)
    lead = () if shared else (ROWS,)
    batch = {
        "x": normal(*lead, SAMPLES, 3, seed=3, dtype=dtype),
        "y": normal(*lead, SAMPLES, seed=4, dtype=dtype),
    }
    program = Program(losses, SHAPES, constants, rows=ROWS, alone=alone, shares=shares)
    own = [batch if shared else {k: v[row] for k, v in batch.items()} for row in range(ROWS)]
    for shift in (0.0, 0.3):
        loss, gradient = program.loss_and_gradient(position + shift, batch, shared=shared)
        right_loss, right_gradient = expected(position + shift, constants, own)
        torch.testing.assert_close(loss, right_loss, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(gradient, right_gradient, rtol=tolerance, atol=10 * tolerance)
        only = program.loss(position + shift, batch, shared=shared)
        torch.testing.assert_close(only, right_loss, rtol=tolerance, atol=tolerance)
        assert loss.dtype == gradient.dtype == dtype
        if shared:
            each = program.each(position + shift, batch)
            assert each.shape == (ROWS, SAMPLES)
            torch.testing.assert_close(each.mean(1), right_loss, rtol=tolerance, atol=tolerance)


def test_one_program_serves_several_batches() -> None:
    """Traces are kept apart by the names, shapes and types of their arguments."""
    position, constants = case()
    program = Program(losses, SHAPES, constants, rows=ROWS)
    for samples in (5, 2, 5):
        batch = {"x": normal(samples, 3, seed=samples), "y": normal(samples, seed=9)}
        turned = {"y": batch["y"], "x": batch["x"]}
        right, _ = expected(position, constants, [batch] * ROWS)
        for given in (batch, turned):
            torch.testing.assert_close(program.loss(position, given), right)
            torch.testing.assert_close(program.loss_and_gradient(position, given)[0], right)


def test_constants_repeat_for_consecutive_rows() -> None:
    position, constants = case()
    batch = {"x": normal(SAMPLES, 3, seed=3), "y": normal(SAMPLES, seed=4)}
    program = Program(losses, SHAPES, constants, rows=ROWS)
    threefold = torch.cat([position + shift for shift in (0.0, 0.1, 0.2)]).reshape(3, ROWS, SIZE)
    threefold = threefold.transpose(0, 1).reshape(3 * ROWS, SIZE)  # three for each row
    loss, gradient = program.loss_and_gradient(threefold, batch)
    for place in range(3):
        one_loss, one_gradient = program.loss_and_gradient(position + 0.1 * place, batch)
        torch.testing.assert_close(loss[place::3], one_loss)
        torch.testing.assert_close(gradient[place::3], one_gradient)
    with pytest.raises(ValueError, match="6 positions for 4 rows"):
        program.loss(threefold[:6], batch)


def test_hessian_vector_products() -> None:
    position, constants = case()
    batch = {"x": normal(SAMPLES, 3, seed=3), "y": normal(SAMPLES, seed=4)}
    vector = normal(ROWS, SIZE, seed=8)
    product = Program(losses, SHAPES, constants, rows=ROWS).hessian_vector(position, vector, batch)
    for row in range(ROWS):
        own = {k: v[row] for k, v in constants.items()}
        hessian = torch.autograd.functional.hessian(
            lambda point, own=own: one_model(point, own, batch), position[row]
        )
        torch.testing.assert_close(product[row], hessian @ vector[row], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("reduce", [lambda t: t.mean(), lambda t: t[:, None]])
def test_losses_must_be_per_sample(reduce: Any) -> None:
    position, constants = case()
    batch = {"x": normal(SAMPLES, 3, seed=3), "y": normal(SAMPLES, seed=4)}
    wrong = Program(lambda w, c, b: reduce(losses(w, c, b)), SHAPES, constants, rows=ROWS)
    for call in (wrong.loss, wrong.loss_and_gradient):
        with pytest.raises(ValueError, match=r"must be per sample, shape \(sample,\)"):
            call(position, batch)


def test_flatten_and_unflatten_are_inverse() -> None:
    position, _ = case()
    pieces = unflatten(position, SHAPES)
    assert {name: tuple(t.shape[1:]) for name, t in pieces.items()} == SHAPES
    assert torch.equal(flatten(pieces, SHAPES), position)
    assert torch.equal(unflatten(position[0], SHAPES)["T"], pieces["T"][0])
    turned = dict(reversed(pieces.items()))  # the order is that of the shapes
    assert torch.equal(flatten(turned, SHAPES), position)
