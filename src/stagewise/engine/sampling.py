"""Settings of one sampling of a set of checkpoints."""

from dataclasses import dataclass, field
from math import log
from typing import Any, Literal

from stagewise.samplers.options import ADAPTIVE

ALL = "all"
"""The component that is no restriction."""

Weights = Literal["own", "permuted", "gaussian"]
"""own: as they are. permuted: the entries of every matrix in random order. gaussian: normal
entries in their place, of the same norm (`engine.scrambled`)."""

AUTO = 0.4
"""Step size times largest curvature that `epsilon: auto` chooses: the stiffest direction of an
unadjusted Langevin chain is then biased by a tenth (`theory.langevin.sgld_variance`)."""


@dataclass(frozen=True)
class Observation:
    """How one observable of the testbed is recorded."""

    every: int = 1
    """Recorded draws from one evaluation to the next."""
    keep: Literal["trace", "covariance", "response"] = "trace"
    """trace: all losses, written to disk as they come. Of each chain only, over the evaluated
    draws, where traces would be too large: covariance, their mean and covariance; response, their
    mean and their covariance with the mean over all of them, which is what susceptibilities are
    made of."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every: must be at least 1, got {self.every}")


@dataclass(frozen=True)
class Sampling:
    """How the local posterior of every checkpoint is sampled."""

    kernel: str
    """Module of stagewise.samplers."""
    steps: int
    """Steps of every chain, burn-in included."""
    burn_in: int
    """Steps before the first recorded draw."""
    chains: int
    """Chains per checkpoint and n."""
    localization: float
    """gamma, precision of the Gaussian tether to the checkpoint."""
    weights: Weights = "own"
    """Of the checkpoints; others are a control (`engine.scrambled`)."""
    coordinates: Literal["weights", "relative"] = "weights"
    """relative: of every tensor in units of its size (`engine.relative`). Localization, step sizes
    and distances are then relative to it."""
    epsilon: float | list[float] | Literal["auto"] | None = None
    """Step size, in units of `epsilon_unit`; samplers without a step size have none. A list
    samples with each of them, side by side. auto: AUTO in units of the curvature."""
    epsilon_unit: Literal["absolute", "nbeta", "curvature"] = "absolute"
    """absolute: epsilon itself. nbeta: epsilon / (n beta + gamma). curvature: epsilon divided by
    the largest curvature of the potential, n beta h + gamma, with h the largest Hessian
    eigenvalue at the checkpoint or, where the index has a column `curvature`, that."""
    n: list[float] | None = None
    """Sample sizes, one posterior each; by default the number of data."""
    beta: float | None = None
    """Inverse temperature; by default 1 / log n (Watanabe's WBIC temperature)."""
    thin: int = 1
    """Steps between two recorded draws."""
    batch: int | None = None
    """Data in a minibatch, drawn with replacement for each chain; by default all data."""
    distribution: str | None = None
    """Of the testbed's data distributions, the one the posterior is of: a data-refined LLC is that
    of a q' which the model was not trained on. By default its own data."""
    truth: Literal["data", "own"] = "data"
    """What the loss is measured against: the data, or the checkpoint's own function. At a plateau
    of training w* is a saddle of the one and an exact minimum of the other."""
    start: Literal["centre", "tether"] = "centre"
    """Chains start at the checkpoint, or at a draw of the tether N(w*, 1/gamma)."""
    diverging: Literal["raise", "keep"] = "raise"
    """What a chain that becomes non-finite does: ends the job, or is kept as not a number, for
    comparisons of step sizes that are meant to find the largest that works."""
    record: list[Literal["parameters"]] = field(default_factory=list)
    """What is kept of each draw beside the loss and the distance."""
    components: list[str] = field(default_factory=list)
    """Weight restrictions of the testbed that are sampled side by side, all other weights held at
    the checkpoint; ALL is no restriction. By default that alone, without a dimension of its own."""
    observables: dict[str, Observation] = field(default_factory=dict)
    """Observables of the testbed that are evaluated along the chains, and how."""
    mirror: bool = False
    """Also records what the draws' mirror images w* - (w - w*) would have given: mean losses and
    observables, and how likely they are. Averages over both have less noise, and no bias beyond
    the sampler's (`estimators.mirror`)."""
    coupled: bool = False
    """Chains of all `n` see the same minibatches and the same noise, and every second chain the
    negated noise of the one before: differences between the sizes, and averages over such pairs,
    are then almost free of noise (`estimators.susceptibilities`)."""
    checkpoints: dict[str, Any] | None = None
    """Column -> value (or list of values): only checkpoints whose index row matches."""
    execution: Literal["auto", "eager", "compiled"] = "auto"
    """compiled: the steps run as machine code, which takes 10 to 15 seconds to make. auto: where
    that is repaid and there is a C++ compiler; long runs of models too large for it multiply
    matrices by kernels of our own. eager: torch alone. Draws agree to rounding."""
    precision: Literal["full", "bfloat16"] = "full"
    """bfloat16: the factors of a step's matrix products are rounded to three digits, and multiplied
    in half the time where the processor has units for them; torch's own kernels round the results,
    too. Observables stay in full precision, and all does where there are no such units. Only where
    it moves the estimate by less than its error."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the chains run. Their random numbers are the same on both."""
    shards: int = 1
    """Jobs that share the chains (`engine.shards`); their draws do not depend on it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Settings that only this kernel knows."""

    def __post_init__(self) -> None:
        for name in ("steps", "chains", "thin", "shards"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if self.shards > self.chains:
            raise ValueError(f"shards: {self.shards} jobs cannot share {self.chains} chains")
        if not 0 <= self.burn_in < self.steps:
            raise ValueError(
                f"burn_in: must be from 0 to steps - 1 = {self.steps - 1}, got {self.burn_in}"
            )
        if self.coupled and self.chains % 2:
            raise ValueError(f"chains: coupled chains come in pairs, got {self.chains}")
        if self.localization < 0:
            raise ValueError(f"localization: must not be negative, got {self.localization}")
        if self.coordinates == "relative" and "parameters" in self.record:
            raise ValueError("record: parameters are recorded as weights, not in relative units")
        if self.coordinates == "relative" and self.kernel == "deep_linear_gibbs":
            raise ValueError("coordinates: deep_linear_gibbs knows its posterior as one of weights")
        if self.start == "tether" and self.localization == 0:
            raise ValueError("localization: must be positive to start from the tether")
        self._check_steps()
        if self.n is not None and min(self.n) <= 1:
            raise ValueError(f"n: sample sizes must exceed 1, got {self.n}")
        if self.n is not None and len(set(self.n)) < len(self.n):
            raise ValueError(f"n: sample sizes must differ, got {self.n}")
        if self.beta is not None and self.beta < 0:
            raise ValueError(f"beta: must not be negative, got {self.beta}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch: must be at least 1, got {self.batch}")
        if self.mirror and self.batch is not None:
            raise ValueError("mirror: needs the loss on all data at every draw; leave out `batch`")
        if len(set(self.components)) < len(self.components):
            raise ValueError(f"components: must differ, got {self.components}")
        for name, observation in self.observables.items():
            if observation.every > self.draws:
                raise ValueError(
                    f"observables.{name}.every: {observation.every} exceeds the {self.draws} draws"
                )
            if observation.keep != "trace" and self.draws <= observation.every:
                raise ValueError(
                    f"observables.{name}.keep: {observation.keep} needs two evaluated draws of a "
                    f"chain; take more steps, or lower thin or every"
                )

    def _check_steps(self) -> None:
        if self.epsilon == "auto" and self.kernel in ADAPTIVE:
            raise ValueError(
                f"epsilon: auto is a share of the curvature, and {self.kernel} rescales every "
                f"coordinate by its own gradients; give a number"
            )
        if self.epsilon == "auto" and self.epsilon_unit != "absolute":
            raise ValueError(f"epsilon_unit: {self.epsilon_unit} has no meaning with epsilon: auto")
        steps = self.steps_in_unit
        if steps is not None and (not steps or min(steps) <= 0 or len(set(steps)) < len(steps)):
            raise ValueError(f"epsilon: must be positive, and differ, got {self.epsilon}")
        limit = self.unit == "curvature" and self.diverging == "raise"
        if limit and steps is not None and max(steps) >= 4:
            raise ValueError(
                f"epsilon: {max(steps):g} times the curvature diverges; Langevin steps are stable "
                f"below 4 and biased by less than 10 % below 0.4"
            )

    @property
    def steps_in_unit(self) -> list[float] | None:
        """Step sizes, in units of `unit`; None for samplers without."""
        if self.epsilon is None:
            return None
        if isinstance(self.epsilon, list):
            return [float(step) for step in self.epsilon]
        return [AUTO if self.epsilon == "auto" else float(self.epsilon)]

    @property
    def unit(self) -> str:
        """Of the step sizes."""
        return "curvature" if self.epsilon == "auto" else self.epsilon_unit

    @property
    def draws(self) -> int:
        """Recorded draws of each chain."""
        return (self.steps - self.burn_in + self.thin - 1) // self.thin

    def nbeta(self, n: float) -> float:
        """n times the inverse temperature."""
        return n * (1 / log(n) if self.beta is None else self.beta)
