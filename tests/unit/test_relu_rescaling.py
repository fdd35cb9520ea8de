import torch

from stagewise.engine.flat import flatten
from stagewise.engine.landscape import curvature_table
from stagewise.engine.program import Program
from stagewise.testbeds.relu_rescaling import build, outputs

SETTINGS = {"inputs": 3, "hidden": 2, "samples": 64, "teachers": 2, "scales": [0.25, 1.0, 4.0]}


def test_rescaling_leaves_the_function_alone():
    testbed = build(SETTINGS, 0)
    points = testbed.points()
    found = torch.stack(
        [
            outputs(
                {name: tensor[row] for name, tensor in points.parameters.items()}, testbed.data["x"]
            )
            for row in range(6)
        ]
    ).reshape(2, 3, -1)
    torch.testing.assert_close(found, found[:, 1:2].expand_as(found))
    assert not torch.allclose(found[0], found[1])


def test_points_are_minima_with_half_the_rank_as_coefficient():
    points = build(SETTINGS, 0).points()
    # 2 * 3 + 2 parameters, less one rescaling for each hidden unit.
    assert list(points.index["rank"]) == 6 * [6]
    assert list(points.index["coefficient"]) == 6 * [3.0]
    table = curvature_table(build(SETTINGS, 0), points, seed=0, probes=4, iterations=5)
    assert table["full_loss"].max() < 1e-30
    assert table["gradient_norm"].max() < 1e-14


def test_hessian_has_the_rank_of_the_jacobian_and_its_trace_is_estimated():
    testbed = build(SETTINGS, 0)
    points = testbed.points()
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in points.parameters.items()}
    position = flatten(points.parameters, shapes)
    program = Program(testbed.losses, shapes, points.constants, rows=len(points))
    columns = [
        program.hessian_vector(position, unit.expand(len(points), -1), testbed.data)
        for unit in torch.eye(8, dtype=torch.float64)
    ]
    hessian = torch.stack(columns, dim=2)  # (row, 8, 8)
    torch.testing.assert_close(hessian, hessian.transpose(1, 2))
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert (eigenvalues[:, :2].abs() < 1e-12).all()
    assert (eigenvalues[:, 2] > 1e-4).all()
    table = curvature_table(testbed, points, seed=0, probes=200, iterations=300)
    trace = eigenvalues.sum(1)
    error = torch.tensor(table["trace_error"].to_numpy())
    # Hutchinson's estimate of 6 rows: within 4 of its own standard errors.
    assert ((torch.tensor(table["trace"].to_numpy()) - trace).abs() < 4 * error + 1e-12).all()
    torch.testing.assert_close(
        torch.tensor(table["top_eigenvalue"].to_numpy()), eigenvalues[:, -1], rtol=1e-4, atol=0
    )
    assert trace.reshape(2, 3).max(1).values.div(trace.reshape(2, 3).min(1).values).min() > 4


def test_hessian_products_do_not_count_kinks():
    # L = relu(w): no curvature on either side of the kink, however near it is.
    program = Program(lambda w, constants, batch: torch.relu(w["w"]), {"w": (1,)}, {}, rows=2)
    position = torch.tensor([[1e-9], [-1e-9]], dtype=torch.float64)
    product = program.hessian_vector(position, torch.ones_like(position), {})
    assert torch.equal(product, torch.zeros_like(position))
