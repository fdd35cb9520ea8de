"""Settings that only one sampler has, by the sampler's name; without torch, for early checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagewise.settings import SettingsError, build


@dataclass(frozen=True)
class Trajectory:
    """Of `hmc`."""

    leapfrog: int
    """Leapfrog steps of a trajectory."""

    def __post_init__(self) -> None:
        if self.leapfrog < 1:
            raise ValueError(f"leapfrog: must be at least 1, got {self.leapfrog}")


@dataclass(frozen=True)
class Ladder:
    """Of `parallel_tempering`."""

    temperatures: int = 24
    """Chains of a ladder."""
    lowest: float = 0.02
    """nbeta of the hottest chain, as a share of the coldest's."""

    def __post_init__(self) -> None:
        if self.temperatures < 2:
            raise ValueError(f"temperatures: must be at least 2, got {self.temperatures}")
        if not 0 < self.lowest < 1:
            raise ValueError(f"lowest: must be between 0 and 1, got {self.lowest}")


@dataclass(frozen=True)
class Friction:
    """Of `sghmc` and `sgnht`."""

    friction: float = 0.1
    """alpha: share of its momentum that a chain loses in a step, 1 for none kept. Of `sgnht`, where
    it starts, and what the noise is matched to."""

    def __post_init__(self) -> None:
        if not 0 < self.friction <= 1:
            raise ValueError(f"friction: must be above 0 and at most 1, got {self.friction}")


@dataclass(frozen=True)
class SecondMoment:
    """Of `rmsprop_sgld`."""

    decay: float = 0.99
    """b2: share of the running mean of squared gradients that a step keeps."""
    stabiliser: float = 1e-3
    """a, added to the root of the mean; above the size of gradients it switches adapting off."""
    freeze: int | None = None
    """Steps after which the preconditioner is fixed, at its mean over their second half; from
    there on the law that is sampled is exact. Not more than burn_in. By default never."""

    def __post_init__(self) -> None:
        _check_moments(decay=self.decay, stabiliser=self.stabiliser)
        if self.freeze is not None and self.freeze < 2:
            raise ValueError(f"freeze: must be at least 2, got {self.freeze}")


@dataclass(frozen=True)
class Moments:
    """Of `adam_sgld`."""

    momentum: float = 0.9
    """b1: share of the running mean of gradients that a step keeps."""
    decay: float = 0.999
    """b2: the same of squared gradients."""
    stabiliser: float = 1e-3
    """a, added to the root of the mean square."""

    def __post_init__(self) -> None:
        _check_moments(momentum=self.momentum, decay=self.decay, stabiliser=self.stabiliser)


@dataclass(frozen=True)
class NoOptions:
    """Of all others."""


KINDS: dict[str, type] = {
    "adam_sgld": Moments,
    "hmc": Trajectory,
    "parallel_tempering": Ladder,
    "rmsprop_sgld": SecondMoment,
    "sghmc": Friction,
    "sgnht": Friction,
}

ADAPTIVE = {"adam_sgld", "rmsprop_sgld"}
"""Samplers with step sizes of their own for every coordinate."""


def options(sampler: str, settings: Mapping[str, Any], where: str = "options") -> Any:
    """The sampler's options; SettingsError, naming `where`, for those that it does not have."""
    if sampler not in KINDS and settings:
        raise SettingsError(f"{where}: the sampler {sampler} has no options, got {dict(settings)}")
    return build(KINDS.get(sampler, NoOptions), settings, where)


def _check_moments(*, stabiliser: float, **shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name}: must be at least 0 and below 1, got {share}")
    if stabiliser <= 0:
        raise ValueError(f"stabiliser: must be positive, got {stabiliser}")
