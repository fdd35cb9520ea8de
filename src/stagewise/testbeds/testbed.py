"""A testbed: a model family, its data, its per-sample loss, its named points and observables.

A file of this folder has one function

    build(settings, seed) -> Testbed

and nothing here knows of samplers or of files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from stagewise.settings import SettingsError

Parameters = Mapping[str, Tensor]
Batch = Mapping[str, Tensor]


def _moved(tensors: Mapping[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Points:
    """Parameter vectors stacked along a first axis, with a table that says what each row is."""

    parameters: dict[str, Tensor]
    """Tensors (checkpoint, ...)."""
    index: pd.DataFrame
    """One row a checkpoint: step, and whatever tells the rows apart."""
    constants: dict[str, Tensor] = field(default_factory=dict)
    """Tensors (checkpoint, ...) that the loss of a row depends on and that are not trained."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """Boolean tensors like `parameters`: False where a coordinate does not exist in that row."""

    def __len__(self) -> int:
        return len(self.index)

    def places(self, wanted: Mapping[str, Any] | None) -> Tensor:
        """Rows whose index has, in each named column, (one of) the given values; by default all."""
        keep = np.ones(len(self), dtype=bool)
        for column, values in (wanted or {}).items():
            if column not in self.index:
                known = ", ".join(map(str, self.index.columns))
                raise SettingsError(f"checkpoints.{column}: no such column; the index has {known}")
            keep &= self.index[column].isin(values if isinstance(values, list) else [values])
        if not keep.any():
            raise SettingsError(f"checkpoints: none matches {dict(wanted or {})}")
        return torch.from_numpy(np.flatnonzero(keep))

    def on(self, device: str) -> "Points":
        """The same points there."""
        return replace(
            self,
            parameters=_moved(self.parameters, device),
            constants=_moved(self.constants, device),
            masks=_moved(self.masks, device),
        )

    def at(self, places: Tensor) -> "Points":
        """The points of the given rows, numbered anew."""
        return Points(
            {name: tensor[places] for name, tensor in self.parameters.items()},
            self.index.iloc[places.numpy()].reset_index(drop=True),
            {name: tensor[places] for name, tensor in self.constants.items()},
            {name: tensor[places] for name, tensor in self.masks.items()},
        )


@dataclass(frozen=True)
class Observable:
    """Losses on fixed data that are recorded along the chains, beside what is sampled."""

    losses: Callable[[Parameters, Parameters, Batch], Tensor]
    """(parameters, constants, data) of ONE model -> losses (sample,) or (sample, token), nats."""
    data: dict[str, Tensor]
    """Tensors (sample, ...)."""


@dataclass(frozen=True)
class Testbed:
    """One model family, ready to be trained or sampled."""

    name: str
    losses: Callable[[Parameters, Parameters, Batch], Tensor]
    """(parameters, constants, batch) of ONE model -> per-sample losses (sample,), in nats.

    A population loss returns one value, shape (1,), and takes an empty batch.
    """
    data: dict[str, Tensor] = field(default_factory=dict)
    """Tensors (sample, ...) that batches are drawn from; empty for a population loss."""
    evaluation: dict[str, Tensor] = field(default_factory=dict)
    """Tensors (sample, ...) that reported losses and second derivatives are taken on, where all
    data would take too long or are not what a loss should be reported on; empty for all data."""
    distributions: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Other data that a posterior can be of, by name: tensors like those of `data`."""
    whole: Callable[[Parameters, Parameters], Tensor] | None = None
    """(parameters, constants) of ONE model -> the mean of `losses` over all data, a scalar, where
    sufficient statistics give it without visiting the samples."""
    initial: Callable[[Generator], dict[str, Tensor]] | None = None
    """Fresh weights of one model; None where the testbed has only known points."""
    points: Callable[[], Points] | None = None
    """Known points: exact minima, saddles or critical points; None where it is trained."""
    own_truth: Callable[[Parameters], dict[str, Tensor]] | None = None
    """Parameters of ONE model -> constants that make the model's own function the truth, so that
    its loss is zero there. None where the data are the only truth."""
    metrics: dict[str, Callable[[Parameters, Parameters], Tensor]] = field(default_factory=dict)
    """Scalars of one model that training records beside the loss, by column name."""
    behaviour: Callable[[Parameters], dict[str, float]] | None = None
    """What ONE model can do: scores by column name, of a component as "<score> <component>"."""
    ablations: Callable[[Parameters], dict[str, float]] | None = None
    """What ONE model loses without a component: scores by column name, "<score> <component>"."""
    outputs: Callable[[Parameters], Tensor] | None = None
    """Outputs of ONE model on a fixed batch, as one vector: a place in function space."""
    tokens: int | None = None
    """Tokens that the loss of a sample is the mean of; None where samples are no sequences."""
    components: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Weight restrictions by name (a layer, a head): boolean masks of the parameters of ONE model,
    True where a coordinate belongs to the component; parameters left out do not."""
    observables: dict[str, Observable] = field(default_factory=dict)
    """What can be recorded along chains, by name."""

    @property
    def divisible(self) -> bool:
        """Whether reported losses are means over data, so that they can be taken in pieces."""
        return bool(self.reported) and (self.whole is None or bool(self.evaluation))

    def on(self, device: str) -> "Testbed":
        """The same testbed with its data there."""
        return replace(
            self,
            data=_moved(self.data, device),
            evaluation=_moved(self.evaluation, device),
            distributions={name: _moved(data, device) for name, data in self.distributions.items()},
            components={name: _moved(mask, device) for name, mask in self.components.items()},
            observables={
                name: replace(observable, data=_moved(observable.data, device))
                for name, observable in self.observables.items()
            },
        )

    def of(self, distribution: str | None) -> "Testbed":
        """The same with the data of another distribution; None for its own."""
        if distribution is None:
            return self
        if distribution not in self.distributions:
            known = ", ".join(self.distributions) or "none beside its own"
            raise SettingsError(
                f"distribution: {self.name} has no data of {distribution!r}; it has {known}"
            )
        return replace(self, data=self.distributions[distribution], evaluation={}, whole=None)

    @property
    def reported(self) -> dict[str, Tensor]:
        """The data of reported losses: `evaluation` if there is one, else all."""
        return self.evaluation or self.data

    def with_own_truth(self, points: Points) -> Points:
        """The same parameters, each with its own function as the truth."""
        if self.own_truth is None:
            raise SettingsError(f"truth: {self.name} has no other truth than its data")
        own = torch.func.vmap(self.own_truth)(points.parameters)
        return replace(points, constants={**points.constants, **own})

    @property
    def whole_losses(self) -> Callable[[Parameters, Parameters, Batch], Tensor]:
        """Like `losses`, for a batch that is all data: one value where `whole` is known."""
        whole = self.whole
        if whole is None or self.evaluation:
            return self.losses
        return lambda parameters, constants, batch: whole(parameters, constants)[None]

    @property
    def samples(self) -> int | None:
        """Number of data, or None for a population loss."""
        return len(next(iter(self.data.values()))) if self.data else None
