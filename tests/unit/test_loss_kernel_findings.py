"""The statistics of figure 11's claims on draws with known answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from stagewise.data.class_tree import leaf_distances
from stagewise.data.digits import digits
from stagewise.findings.kernels import (
    constant_share,
    exact_covariances,
    permutation_p,
    properties,
    traces,
)
from stagewise.findings.loss_kernel_arithmetic import SHARINGS
from stagewise.findings.loss_kernel_arithmetic import measure as measure_arithmetic
from stagewise.findings.loss_kernel_development import measure as measure_development
from stagewise.findings.loss_kernel_digits import measure as measure_digits
from stagewise.findings.loss_kernel_linear import measure as measure_linear
from stagewise.findings.loss_kernel_towers import measure as measure_towers
from stagewise.findings.loss_kernel_tree import measure as measure_tree
from stagewise.models import mlp
from stagewise.testbeds import class_tree, digits_mlp, linear_regression, modular_arithmetic
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.local_influence import posterior_covariance

random = np.random.default_rng(0)


def draws(
    losses: np.ndarray, steps: list[int], observable: str = "train", **more: Any
) -> xr.Dataset:
    """A draws file of losses (checkpoint, chain, draw, sample)."""
    names = ("checkpoint", "n", "chain", f"{observable}_draw", f"{observable}_sample")
    shape = (len(steps), 1)
    variables = {
        f"{observable}_loss": (names, losses[:, None]),
        "nbeta": ("n", [10.0]),
        "localization": 1.0,
        "epsilon": (("checkpoint", "n"), np.full(shape, 1e-3)),
        "rhat": (("checkpoint", "n"), np.ones(shape)),
        "loss_at_centre": ("checkpoint", np.ones(len(steps))),
        "excess_loss": (("checkpoint", "n"), np.full(shape, 0.1)),
    } | more
    return xr.Dataset(variables, coords={"step": ("checkpoint", steps)}).assign_attrs(seed=0)


def fresh(testbed: Testbed, count: int, step: int = 5) -> Points:
    assert testbed.initial is not None
    models = [testbed.initial(torch.Generator().manual_seed(k)) for k in range(count)]
    stacked = {name: torch.stack([model[name] for model in models]) for name in models[0]}
    return Points(stacked, pd.DataFrame({"step": [step] * count}))


def coupled(labels: np.ndarray, strength: float, checkpoints: int = 2) -> np.ndarray:
    """Losses with a common part of each label."""
    shape = (checkpoints, 6, 400)
    common = random.standard_normal((*shape, labels.max() + 1))[..., labels]
    return strength * common + random.standard_normal((*shape, len(labels)))


def test_kernels_have_their_properties_whatever_the_losses() -> None:
    found = properties("some", [np.exp(random.standard_normal((4, 30, 50)))])
    assert found["some_least_eigenvalue"].value >= -1e-10
    assert found["some_affine_change"].value < 1e-10


def test_permutations_find_what_is_there_and_nothing_else() -> None:
    labels = np.repeat([0, 1], 20)
    there = permutation_p(lambda order: float((order == labels).mean()), labels, repeats=99, seed=0)
    nothing = permutation_p(lambda order: 0.0, labels, repeats=99, seed=0)
    assert there.value == 0.01
    assert nothing.value == 1


def test_common_drift_is_told_from_structure() -> None:
    assert constant_share(np.full((5, 5), 0.9) + 0.1 * np.eye(5)) == pytest.approx(1)
    classes = np.kron(np.array([[1.0, -1], [-1, 1]]), np.ones((3, 3)))
    assert constant_share(classes) == pytest.approx(0, abs=1e-9)


MODEL = {"sharing": "nothing", "modulus": 3, "hidden": 3}


@pytest.mark.parametrize(("strength", "found_it"), [(0.0, False), (0.5, True)])
def test_towers(strength: float, found_it: bool) -> None:
    task = np.repeat([0, 1], 9)
    points = fresh(modular_arithmetic.build(MODEL, 0), 2)
    inputs = {"draws": [draws(coupled(task, strength), [5, 5])], "points": [points]}
    table, found = measure_towers(inputs, {"model": MODEL, "permutations": 200})
    assert found["towers_across"].value == pytest.approx(1, abs=0.3)
    assert found["towers_exact"].value == 0
    assert (found["towers_p"].value < 0.01) == found_it
    assert (found["towers_within"].value > 0.1) == found_it
    assert set(table["block"]) == {"within", "across"}
    masses = (table["density"] * (table["right"] - table["left"])).groupby(table["block"]).sum()
    assert (masses > 0.95).all()


def test_two_tasks_in_one_network() -> None:
    models = {each: {"sharing": each, "modulus": 3, "hidden": 3} for each in SHARINGS}
    task, inputs = np.repeat([0, 1], 9), {}
    for sharing, strength in zip(SHARINGS, (0.0, 0.3, 1.0), strict=True):
        inputs[sharing] = [draws(coupled(task, strength), [5, 5])]
        inputs[f"{sharing}_points"] = [fresh(modular_arithmetic.build(models[sharing], 0), 2)]
    table, found = measure_arithmetic(inputs, {"models": models, "permutations": 200})
    assert len(table) == 12
    assert found["sampled_p_everything"].value > 0.01
    assert found["sampled_p_hidden"].value < 0.01
    assert found["sampled_auc_hidden"].value > 0.99
    assert found["sampled_ratio_hidden"].value < 0.3
    assert found["sampled_ari_hidden"].value == 1


def test_the_exact_kernel_is_that_of_the_losses_of_its_gaussian() -> None:
    """Of tiny perturbations, for which logits are linear: the covariance over them."""
    testbed = modular_arithmetic.build(MODEL, 0)
    points = fresh(testbed, 1)
    stiff = draws(np.zeros((1, 1, 2, 18)), [5]).assign(localization=1e6, nbeta=("n", [1e-9]))
    stiff["epsilon"] = stiff["epsilon"] * 0
    exact = exact_covariances(testbed, points, 0, stiff).whole
    w = {name: tensor[0].double() for name, tensor in points.parameters.items()}
    stream = torch.Generator().manual_seed(0)
    data = {**testbed.data, "x": testbed.data["x"].double()}
    losses = []
    for _ in range(4000):
        moved = {
            name: tensor + 1e-3 * torch.randn(tensor.shape, generator=stream, dtype=tensor.dtype)
            for name, tensor in w.items()
        }
        losses.append(testbed.losses(moved, {}, data).numpy())
    assert np.allclose(np.cov(np.array(losses).T), exact, atol=0.1 * np.abs(exact).max())


def on_the_tree(samples: int) -> np.ndarray:
    """Losses whose classes are coupled the more the nearer they are, sisters negatively."""
    distance = leaf_distances(3)
    between = np.select([distance == 0, distance == 1, distance == 2], [0.6, -0.2, -0.05], 0.0)
    covariance = np.kron(between, np.ones((samples, samples))) + 0.4 * np.eye(8 * samples)
    root = np.linalg.cholesky(covariance)
    return random.standard_normal((1, 6, 600, len(root))) @ root.T


TREE = {"samples": 3, "hidden": [6]}


def test_classes_on_a_tree() -> None:
    inputs: dict[str, list[Any]] = {"draws": [], "untrained": [], "points": []}
    for _ in range(3):
        inputs["draws"].append(draws(on_the_tree(3), [5]))
        inputs["untrained"].append(draws(random.standard_normal((1, 6, 600, 24)), [0]))
        inputs["points"].append(fresh(class_tree.build(TREE, 0), 1))
    for seed, found in enumerate(inputs["draws"]):
        found.attrs["seed"] = seed
    table, found = measure_tree(inputs, {"model": TREE, "permutations": 200})
    assert found["tree_sisters"].value == 1
    assert found["tree_spearman"].value > 0.6
    assert found["tree_signed_spearman"].value < 0
    assert found["tree_p"].value < 0.05
    assert found["tree_within"].value == pytest.approx(0.6, abs=0.05)
    assert found["agreement_kernel"].value == 1
    assert abs(found["spearman_untrained"].value) < 0.6
    kernel = table[table["similarity"] == "kernel"].groupby("distance")["strength"].mean()
    assert kernel.to_numpy() == pytest.approx([0.6, 0.2, 0.05, 0], abs=0.03)


def test_levels_over_training() -> None:
    """Coarse from the start, fine at the end alone."""
    distance = leaf_distances(3)
    roots = []
    for fine in (0.2, 0.2, 0.6):
        between = np.select([distance == 0, distance == 1, distance == 2], [0.8, fine, 0.2], 0.05)
        roots.append(np.linalg.cholesky(np.kron(between, np.ones((3, 3))) + 0.2 * np.eye(24)))
    losses = np.stack([random.standard_normal((6, 600, 24)) @ root.T for root in roots])
    inputs = {"draws": [draws(losses, [0, 10, 100]), draws(losses, [0, 10, 100])]}
    table, found = measure_development(inputs, {"depth": 3})
    assert found["coarse_before_fine"].value == pytest.approx(-1 - np.log2(100))
    assert found["trained_fine"].value == pytest.approx(np.log2(3), abs=0.2)
    assert found["untrained_fine"].value == pytest.approx(0, abs=0.2)
    assert table["step"].tolist() == [0, 10, 100] * 2


def regression(model: dict[str, Any], epsilons: list[float]) -> xr.Dataset:
    """Draws from the Gaussians themselves, one for each step size."""
    testbed = linear_regression.build(model, 0)
    assert testbed.points is not None
    points = testbed.points()
    count = model["samples"] * model.get("tasks", 1)
    losses = np.zeros((len(points), 1, len(epsilons), 4, 4000, count), dtype=np.float32)
    for place in range(len(points)):
        exists = points.masks["w"][place].numpy()
        x, y = points.constants["x"][place].numpy(), points.constants["y"][place].numpy()
        for step, epsilon in enumerate(epsilons):
            sigma = posterior_covariance(
                x[:, exists].T @ x[:, exists] / count, nbeta=count, localization=1, epsilon=epsilon
            )
            u = random.multivariate_normal(np.zeros(len(sigma)), sigma, (4, 4000))
            w = points.parameters["w"][place].numpy()
            predicted = x @ w + u @ x[:, exists].T
            losses[place, 0, step] = (y - predicted) ** 2 / 2
    names = ("checkpoint", "n", "step_size", "chain", "data_draw", "data_sample")
    lead = ("checkpoint", "n", "step_size")
    return xr.Dataset(
        {
            "data_loss": (names, losses),
            "nbeta": ("n", [float(count)]),
            "localization": 1.0,
            "epsilon": (lead, np.broadcast_to(epsilons, (len(points), 1, len(epsilons)))),
            "rhat": (lead, np.ones((len(points), 1, len(epsilons)))),
        }
    ).assign_attrs(seed=0)


def test_regressions() -> None:
    regular = {"samples": 20, "features": 3, "data_sets": 2}
    shared = {"tasks": 2, "samples": 15, "features": 3, "shared": [0, 1, 3]}
    inputs = {
        "regular": [regression(regular, [1e-4, 0.05])],
        "shared": [regression(shared, [1e-4]).isel(step_size=0)],
    }
    table, found = measure_linear(inputs, {"regular": regular, "shared": shared})
    assert found["sgld_error_small"].value < 0.05
    assert found["sgld_error_large"].value < 0.05
    assert found["sgld_error_uncorrected"].value > 0.1
    assert found["shared_none"].value == 0
    assert found["shared_least_increment"].value > 0
    assert found["shared_sampled_error"].value < 0.08
    assert table["shared"].tolist() == [0, 1, 3]


def test_traces_are_in_double_precision() -> None:
    assert traces(draws(np.zeros((1, 2, 3, 4), dtype=np.float32), [0]))[0].dtype == np.float64


def test_penultimate_activations_enter_the_last_layer() -> None:
    w = mlp.initial([4, 5, 3, 2], stream=torch.Generator().manual_seed(0))
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    hidden = mlp.penultimate(w, x, torch.tanh)
    assert hidden.shape == (6, 3)
    expected = hidden @ w["layer3.weight"].T + w["layer3.bias"]
    torch.testing.assert_close(mlp.logits(w, x, torch.tanh), expected)


def test_digits() -> None:
    model = {"hidden": [6], "train": 60}
    classes = digits("sklearn", train=60).labels.numpy()
    trained = fresh(digits_mlp.build(model, 0), 2)
    inputs = {
        "right": [draws(coupled(classes, 2.0), [5, 5])],
        "right_points": [trained],
        "untrained": [draws(random.standard_normal((2, 6, 400, 60)), [0, 0])],
        "random": [draws(coupled(random.permutation(classes), 2.0), [5, 5])],
    }
    table, found = measure_digits(inputs, {"model": model})
    assert found["digits_agreement"].value > 0.95
    assert found["digits_agreement_untrained"].value < 0.4
    assert found["digits_agreement_pixels"].value > 0.5
    assert abs(found["digits_share_left"].value) < 0.3
    places = table[table["kind"] == "map"]
    assert len(places) == 60
    means = places.groupby("label")[["x", "y"]].mean()
    within = (places[["x", "y"]] - means.loc[places["label"]].to_numpy()).var().sum()
    assert within < 0.2 * places[["x", "y"]].var().sum()
