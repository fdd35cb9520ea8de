"""How much lambda-hat scatters: our estimators against devinterp's, at equal gradient evaluations.

    python benchmarks/variance.py [--only NAME] [--seed N]

writes benchmarks/variance.csv and variance.png. Every repeat samples the local posterior of the
same checkpoint afresh by SGLD (other noise, other minibatches) with the same n beta, localization,
step size, batch and steps. All average over a whole chain from the checkpoint on, as devinterp
does, with a burn-in or without. Estimators:

    devinterp               devinterp's `llc` with its defaults: minibatch losses of all steps,
                            minus the loss at w* on the first 32 batches; all chains share batches
    devinterp_own_batches   the same, with other batches for every chain
    stagewise               the engine: L_B(w_t) - L_B(w*) on the batch of every step, L_B(w*) from
                            its table of every sample's loss
    stagewise_no_table      the same with L_B(w*) evaluated: three chains for the price of four
    stagewise_thinned       the same for 32 draws of every chain, so that it evaluates w* as often
                            as devinterp does
    stagewise_mirrored      stagewise, by two pairs of chains with opposite noise and common batches
    stagewise_cycled        stagewise on devinterp's batches: one shuffle, gone through again and
                            again by all chains
    stagewise_fixed_batch   three chains, L(w_t) - L(w*) on a batch 16 times as large, at few draws,
                            too far apart to follow the first steps: the mean is a little high

Batches drawn with replacement (ours) are independent of the weights that they meet; those of a
shuffle that is cycled (devinterp's) are not: the chain has just stepped downhill on all the others.
That raises the mean, so the means to compare are devinterp's and stagewise_cycled, and the others.

gradients is what a repeat costs: a forward pass counts as a third of a gradient evaluation, the
table as a pass over the data. The estimators of ours but mirrored and cycled look at the same
chains, each as the engine would give it with such settings. ratio_devinterp
is devinterp's variance over the estimator's, with a 90 % interval by the F distribution. Settings
were chosen on seeds from 900 on. The localization is such that a chain forgets its start within a
tenth or so of its length, at 0.4 of the inverse curvature.

devinterp is left out where it is not installed: pip install devinterp==2.0.1.
"""

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from plot_variance import draw
from scipy.stats import f as f_distribution
from torch import Tensor
from tqdm import tqdm
from variance_cases import Case, cases

from stagewise.engine.chains import Chains
from stagewise.engine.posteriors import Posteriors, posteriors
from stagewise.engine.sample import losses_of_samples
from stagewise.engine.sampling import Sampling
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed

HERE = Path(__file__).parent
FORWARD = 1 / 3
"""Gradient evaluations that a forward pass costs."""
EVALUATIONS = 32
"""Batches on which every chain may evaluate w*: devinterp's default."""
FIXED = 16
"""Batches that make up the fixed one."""


def fixed_draws(case: Case) -> int:
    """Draws of each chain for which the saved chain pays an evaluation on the fixed batch."""
    passes = (case.steps + case.chains * EVALUATIONS * FORWARD) / (FIXED * FORWARD)
    return int((passes - 1) / (case.chains - 1))


class Watched(Chains):
    """Chains whose loss is also taken on a fixed batch, at draws evenly spread."""

    def watch(self, batch: dict[str, Tensor], *, draws: int) -> None:
        self._fixed = batch
        self._at_centre = self._program.loss(self._target.centre, batch)
        self._due = {int(self._sampling.draws * (k + 0.5) / draws) for k in range(draws)}
        self.watched: list[Tensor] = []

    def _record(self, draw: int, position: Tensor, loss: Tensor, picked: Tensor | None) -> None:
        super()._record(draw, position, loss, picked)
        if draw in self._due:
            self.watched.append(self._program.loss(position, self._fixed) - self._at_centre)


class Mirrored(Chains):
    """Pairs of chains with opposite noise and common batches."""

    def _noise(self) -> Tensor:
        noise = super()._noise()
        noise[1::2] = -noise[::2]
        return noise

    def _pick(self) -> Tensor | None:
        picked = super()._pick()
        assert picked is not None
        picked[1::2] = picked[::2]
        return picked


class Cycled(Chains):
    """Chains that all go through the same batches, in the same order, again and again."""

    def cycle(self, seed: int) -> None:
        samples, batch = len(next(iter(self._data.values()))), self._sampling.batch or 1
        order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
        self._batches = order[: samples // batch * batch].reshape(-1, batch)

    def _pick(self) -> Tensor | None:
        steps = torch.arange(self.step, self.step + self._block) % len(self._batches)
        return self._batches[steps].expand(len(self._keys), -1, -1)


def prepared(case: Case) -> Posteriors:
    """The posterior of the checkpoint, with a loss recorded at every step."""
    weights = {name: tensor[None] for name, tensor in case.workload.weights.items()}
    points = Points(weights, pd.DataFrame({"step": [0]}))
    bed = Testbed("workload", case.workload.losses, case.workload.data)
    sampling = Sampling(
        kernel="sgld",
        steps=case.steps,
        burn_in=0,
        chains=case.chains,
        localization=case.localization,
        epsilon=case.epsilon,
        batch=case.workload.batch,
    )
    return posteriors(bed, points, sgld, sampling, seed=0)


def unstepped(kind: type[Chains], case: Case, found: Posteriors, *, seed: int) -> Any:
    """The chains, not yet stepped."""
    return kind(
        sgld, found, found.grid, seed=seed, places=torch.arange(1), table=losses_of_samples(found)
    )


def stepped(chains: Chains, case: Case) -> Tensor:
    """n beta times the excess loss (step, chain) of all steps."""
    while chains.step < case.steps:
        chains.advance()
    return case.nbeta * chains.recorded["excess_loss"]


def ours(case: Case, found: Posteriors, *, seed: int) -> dict[str, float]:
    """lambda-hat of one repeat by each of our estimators."""
    stream = torch.Generator().manual_seed(seed)
    picked = torch.randint(case.samples, (FIXED * case.workload.batch,), generator=stream)
    chains = unstepped(Watched, case, found, seed=seed)
    fixed_batch = {name: tensor[picked] for name, tensor in case.workload.data.items()}
    chains.watch(fixed_batch, draws=fixed_draws(case))
    excess = stepped(chains, case)
    fixed = case.nbeta * torch.stack(chains.watched)
    mirrored = stepped(unstepped(Mirrored, case, found, seed=seed), case)
    cycled = unstepped(Cycled, case, found, seed=seed)
    cycled.cycle(seed)
    thin = case.steps // EVALUATIONS
    values = {
        "stagewise_thinned": excess[thin // 2 :: thin],
        "stagewise_no_table": excess[:, 1:],
        "stagewise": excess,
        "stagewise_mirrored": mirrored,
        "stagewise_fixed_batch": fixed[:, 1:],
        "stagewise_cycled": stepped(cycled, case),
    }
    return {name: float(value.double().mean()) for name, value in values.items()}


def theirs(case: Case, *, seed: int) -> dict[str, float]:
    """lambda-hat of one repeat by devinterp; nothing where it is not installed."""
    try:
        estimate = import_module("peers.devinterp_llc").estimate
        own = 1000 * (seed + 1)  # its chains take the seeds that follow
        return {
            "devinterp": estimate(case, seed=own, same_batches=True),
            "devinterp_own_batches": estimate(case, seed=own, same_batches=False),
        }
    except ImportError:
        return {}


def gradients(case: Case) -> dict[str, float]:
    """Gradient evaluations that a repeat costs, by estimator."""
    steps, batch = case.steps, case.workload.batch
    at_centre = case.chains * EVALUATIONS * FORWARD
    table = case.samples / batch * FORWARD
    fewer = (case.chains - 1) * steps
    return {
        "devinterp": case.chains * steps + at_centre,
        "devinterp_own_batches": case.chains * steps + at_centre,
        "stagewise_thinned": case.chains * steps + at_centre,
        "stagewise_no_table": fewer * (1 + FORWARD),
        "stagewise": case.chains * steps + table,
        "stagewise_mirrored": case.chains * steps + table,
        "stagewise_cycled": case.chains * steps + table,
        "stagewise_fixed_batch": fewer
        + ((case.chains - 1) * fixed_draws(case) + 1) * FIXED * FORWARD,
    }


def rows(name: str, case: Case, estimates: pd.DataFrame) -> Iterator[dict[str, object]]:
    """A row for each estimator, from its column of estimates (one of each repeat)."""
    repeats = len(estimates)
    low, high = f_distribution.ppf([0.05, 0.95], repeats - 1, repeats - 1)
    for estimator, values in estimates.items():
        row = {
            "workload": name,
            "parameters": case.workload.parameters,
            "estimator": estimator,
            "repeats": repeats,
            "gradients": gradients(case)[str(estimator)],
            "mean": values.mean(),
            "standard_error": values.sem(),
            "variance": values.var(),
        }
        if "devinterp" in estimates:
            ratio = estimates["devinterp"].var() / values.var()
            row["ratio_devinterp"] = ratio
            if estimator != "devinterp":
                row |= {"ratio_low": ratio / high, "ratio_high": ratio / low}
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="a part of the names of the workloads to run")
    parser.add_argument("--seed", type=int, default=0, help="of the first repeat")
    parser.add_argument("--repeats", type=int, help="of every workload, instead of its own number")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = []
    for name, case in cases(arguments.only or "").items():
        found = prepared(case)
        repeats = arguments.repeats or case.repeats
        seeds = range(arguments.seed, arguments.seed + repeats)
        estimates = [
            theirs(case, seed=seed) | ours(case, found, seed=seed)
            for seed in tqdm(seeds, name, unit="repeat")
        ]
        if "devinterp" not in estimates[0]:
            print("devinterp is not installed: its rows and the ratios are left out")
        table += rows(name, case, pd.DataFrame(estimates))
        print(pd.DataFrame(table).round(4).to_string(index=False))
        if not arguments.only:
            pd.DataFrame(table).to_csv(HERE / "variance.csv", index=False, float_format="%.6g")
    if not arguments.only:
        draw()


if __name__ == "__main__":
    main()
