"""What jobs of a run take, told from their settings: operations, and bytes of what they write.

Estimates. An operation is one multiplication or addition, and a gradient takes three times those of
the loss. They are rough in both directions: what Python does between them is left out, chains of a
component need part of the gradient only, and sweeps and descents end when they are done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from stagewise.engine.compressions import Compressions
from stagewise.engine.sampling import Observation, Sampling
from stagewise.planning.sizes import Network
from stagewise.samplers.options import options
from stagewise.training.retraining import Retraining
from stagewise.training.schedule import checkpoint_steps
from stagewise.training.training import Training

GRADIENT, HESSIAN_VECTOR = 3, 8
"""Of a sample, in units of its loss: forward and backward; and both again along a direction."""
UPDATE = 60
"""Operations on each weight and step beside its gradient: noise, preconditioners, distances."""
EIGENBASIS = 25
"""Operations of an eigendecomposition, in units of the cube of its size."""
POWER_ITERATIONS = 60
"""For the largest curvature, where step sizes are in its unit."""
DRAW = 12
"""Bytes of a recorded draw: its excess loss and its distance, compressed a little."""
COUNTED = 100_000
"""Checkpoints of a model that are still worth counting."""
BEHAVIOUR = 3
"""Times that held-out data pass a model to find out what it can do."""
DESCENT = 0.1
"""Share of the most steps of a descent to a target that it takes."""


@dataclass(frozen=True)
class Work:
    """What one job takes."""

    operations: float
    bytes: float
    """Of the file it writes."""
    steps: float = 0.0
    """One after another, each of all models or chains: what cannot be made shorter by speed."""


def _matching(wanted: Mapping[str, Any] | None, columns: Mapping[str, Sequence[Any]]) -> float:
    """Share of the rows of an index that have the wanted values, its columns being independent."""
    shares = [
        sum(value in (listed if isinstance(listed, list) else [listed]) for value in columns[name])
        / len(columns[name])
        for name, listed in (wanted or {}).items()
        if columns.get(name)
    ]
    return prod(shares)


def checkpoints(
    network: Network, training: Training | None, wanted: Mapping[str, Any] | None = None
) -> float:
    """How many checkpoints a run has, of those that match `wanted`."""
    if training is None:
        return network.points * _matching(wanted, network.columns)
    if training.linear_checkpoints + training.log_checkpoints > COUNTED:
        raise ValueError(f"more than {COUNTED} checkpoints")
    steps = checkpoint_steps(
        training.steps, linear=training.linear_checkpoints, logarithmic=training.log_checkpoints
    )
    kinds = ["start", *["scheduled"] * (len(steps) - 1)]
    for _ in training.target_losses:
        kinds += ["target", *["passage"] * (training.descend_from > 1)]
    ahead: list[int | None] = [*steps, *[None] * (len(kinds) - len(steps))]
    rows = [
        (step, kind)
        for step, kind in zip(ahead, kinds, strict=True)
        if _matching(wanted, {"step": [step], "kind": [kind]})
    ]
    return len(rows) * training.models * len(training.configurations)


def training_work(network: Network, training: Training) -> Work:
    """All models of a run, their checkpoints, and descents to targets."""
    models = training.models * len(training.configurations)
    batches = sum(c.batch or network.samples for c in training.configurations) * training.models
    each_step = GRADIENT * network.operations * batches + UPDATE * network.parameters * models
    operations = training.longest * each_step
    if training.target_losses:
        looks = training.longest / training.evaluate_every
        operations += models * looks * network.on_reported
    if training.target_losses and training.descend_from > 1:
        down = training.descent_steps * DESCENT * len(training.target_losses)
        operations += models * down * GRADIENT * network.on_all_data
    found = checkpoints(network, training)
    operations += found * network.on_reported
    written = found * network.parameters * network.item
    groups = len({(c.optimizer, c.batch) for c in training.configurations})
    return Work(operations, written, training.longest * groups)


def retraining_work(network: Network, training: Training, retraining: Retraining) -> Work:
    """Models trained anew on subsets, all data of one at every step."""
    models = retraining.subsets * retraining.repeats
    seen = sum(retraining.shares) * network.samples * models
    updates = UPDATE * network.parameters * models * len(retraining.shares)
    operations = training.steps * (GRADIENT * network.operations * seen + updates)
    queries = network.observables.get(retraining.observable, 0) * network.entries
    members = len(retraining.shares) * retraining.subsets * network.samples
    written = len(retraining.shares) * models * queries * 4 + members
    return Work(operations, written, training.steps * len(retraining.shares))


def sampling_work(network: Network, training: Training | None, sampling: Sampling) -> Work:
    """Chains at every checkpoint, component, n and step size, and what is recorded along them."""
    found = checkpoints(network, training, sampling.checkpoints)
    components = len(sampling.components or [""])
    posteriors = found * components * len(sampling.n or [0]) * len(sampling.steps_in_unit or [0])
    chains = posteriors * sampling.chains
    recorded = chains * sampling.draws * (1 + sampling.mirror)
    loss, weights = network.operations, network.parameters
    of_batch = loss * sampling.batch if sampling.batch else network.on_all_data
    own = options(sampling.kernel, sampling.options)
    moves = sampling.steps * getattr(own, "leapfrog", 1)
    stepped = chains * getattr(own, "temperatures", 1)
    if sampling.kernel == "deep_linear_gibbs":
        each = _sweep_of_factors(network)
    else:
        each = GRADIENT * of_batch + UPDATE * weights
    operations = stepped * moves * each + recorded * of_batch * sampling.mirror
    if sampling.unit == "curvature":
        products = found * components * POWER_ITERATIONS
        operations += products * HESSIAN_VECTOR * network.on_reported
    written = recorded * (DRAW + network.item * weights * ("parameters" in sampling.record))
    for name, observation in sampling.observables.items():
        samples = network.observables.get(name, 0)
        losses = samples * network.entries
        evaluated = recorded / observation.every
        operations += evaluated * samples * (loss + UPDATE * network.entries)
        written += _kept(observation, losses, chains, evaluated)
    return Work(operations, written, moves)


def _sweep_of_factors(network: Network) -> float:
    """Two eigenbases for every factor of a deep linear network."""
    count, width = network.factors
    return 2 * EIGENBASIS * count * width**3


def _kept(observation: Observation, losses: int, chains: float, evaluated: float) -> float:
    """Bytes that an observable of so many losses leaves."""
    return {
        "trace": 4 * evaluated * losses,
        "covariance": 8 * chains * (losses**2 + losses),
        "response": 8 * chains * 2 * losses,
    }[observation.keep]


def curvature_work(
    network: Network, training: Training | None, probes: int, iterations: int
) -> Work:
    """Hessian traces and largest eigenvalues at every checkpoint."""
    of_one = (probes + iterations) * HESSIAN_VECTOR * network.on_reported
    found = checkpoints(network, training)
    return Work(found * of_one, found * 200)


def scores_work(network: Network, training: Training | None, passes: int) -> Work:
    """Scores of every checkpoint, for which held-out data pass it so many times."""
    held_out = (network.reported or network.samples) + sum(network.observables.values())
    found = checkpoints(network, training)
    return Work(found * passes * held_out * network.operations, found * 4000)


def compression_work(
    network: Network, training: Training | None, compression: Compressions
) -> Work:
    """Losses of all compressed models, if every sweep went to its end."""
    models = sum(way.count * way.draws for way in compression.schemes.values())
    amounts = sum(way.count for way in compression.schemes.values())
    data = min(compression.samples or network.samples, network.reported or network.samples)
    found = checkpoints(network, training, compression.checkpoints)
    each = network.operations * data + UPDATE * network.parameters
    return Work(found * models * each, found * amounts * 100)
