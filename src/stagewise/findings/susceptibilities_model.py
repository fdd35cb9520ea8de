"""One model's matrices of susceptibilities, standardised, with their axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.response_matrix import (
    Components,
    principal_components,
    reliability,
    standardised,
)
from stagewise.estimators.separation import folded_auc
from stagewise.findings.measured import Measured
from stagewise.findings.susceptibilities_matrices import Chosen, Matrices, Tokens, above_median

Array = NDArray[np.float64]

INDUCTION = "repeated"
"""The class of tokens that can be copied."""
AXES = 3
"""Principal components among which one for a class is looked for."""
SHORT = 10
"""Places of a sequence that are a short context."""


@dataclass(frozen=True)
class Model:
    """Matrices at one checkpoint, the tokens, and what every head does for induction."""

    run: Matrices
    known: Tokens
    scores: Array
    """(head,), `susceptibilities_matrices.circuit_scores`."""

    @staticmethod
    def axes_of(matrix: Array) -> Components:
        """Principal components of z-scored columns."""
        return principal_components(standardised(matrix))

    @cached_property
    def z(self) -> Array:
        """Restricted susceptibilities (token, head) in standard deviations of their column."""
        return np.asarray(standardised(self.run.restricted.mean(0)))

    @cached_property
    def two_chain_z(self) -> Array:
        """Likewise the two-chain form."""
        return np.asarray(standardised(self.run.two_chain.mean(0)))

    @cached_property
    def restricted(self) -> Components:
        """Axes of the z-scored restricted matrix."""
        return self.axes_of(self.run.restricted.mean(0))

    @cached_property
    def two_chain(self) -> Components:
        """Axes of the centred two-chain matrix."""
        return principal_components(self.run.two_chain.mean(0))

    def share_of_layer(self, layer: int) -> float:
        """Variance of PC1 of the two-chain matrix of one layer's heads."""
        own = self.run.two_chain.mean(0)[:, self.run.layers == layer]
        return float(principal_components(own).shares[0])

    @property
    def fragility_share(self) -> float:
        """Squared correlation of the two-chain PC1 with the fragility of tokens."""
        pair = np.corrcoef(self.two_chain.scores[:, 0], self.run.fragility.mean(0))
        return float(pair[0, 1] ** 2)

    @property
    def previous_token(self) -> int:
        """The head of the first layer that looks most at the token before."""
        return int(np.where(self.run.layers == 0, self.scores, -np.inf).argmax())

    def best_axis(self, label: NDArray[np.bool_]) -> int:
        """Among the first restricted axes, the one that tells a class best."""
        scores = self.restricted.scores
        return int(np.argmax([folded_auc(scores[:, k], label) for k in range(AXES)]))

    def space_excess(self, chosen: Chosen) -> float:
        """Of the head that stands out most on indents: share of its sum over their tokens that is
        of spaces, less the share of spaces among them; not a number without indents."""
        own = chosen[self.known.sources[chosen] == "indents"]
        if not len(own):
            return float("nan")
        sums = self.z[own].sum(0)
        head = int(np.abs(sums).argmax())
        spaces = self.known.classes[own] == "space"
        return float(self.z[own[spaces], head].sum() / sums[head] - spaces.mean())

    @cached_property
    def residuals(self) -> Array:
        """(half, token, head) what is left of z-scored halves when every pair of a token and the
        one before has its mean taken off; not a number for pairs that occur once."""
        pair = pd.Series(self.known.before * (self.known.targets.max() + 1) + self.known.targets)
        often = pair.map(pair.value_counts()).to_numpy() > 1
        halves = []
        for half in self.run.restricted:
            frame = pd.DataFrame(standardised(half))
            left = (frame - frame.groupby(pair.to_numpy()).transform("mean")).to_numpy(copy=True)
            left[~often] = np.nan
            halves.append(left)
        return np.stack(halves)

    def context(self, chosen: Chosen) -> float:
        """Correlation of the two halves' `residuals`, median over later heads."""
        first, second = self.residuals[:, chosen][:, :, self.run.layers > 0]
        kept = np.isfinite(first[:, 0])
        return float(np.median(reliability(first[kept], second[kept])))


def by_place(model: Model, chosen: Chosen) -> float:
    """Root of the products of two halves, so without noise, on chain tokens behind place SHORT,
    over that of those before, mean over later heads of below-median score."""
    heads = (model.run.layers > 0) & ~above_median(model.scores, model.run.layers)
    own = chosen[model.known.classes[chosen] == "markov"]
    halves = np.stack([standardised(half) for half in model.run.restricted])
    power = (halves[0] * halves[1])[own][:, heads].mean(1)
    late = model.known.places[own] >= SHORT
    ratio = power[late].mean() / power[~late].mean()
    return float(np.sqrt(max(ratio, 0.0)))


def loadings(models: Sequence[Model], repeats: int) -> Measured:
    """Mean size of loadings, on the axis that tells induction best, of heads with an above-median
    score less that of the others, median over models; heads of each model, layer and side
    resampled."""
    random = np.random.default_rng(0)
    induction = models[0].known.classes == INDUCTION

    def difference(model: Model, redraw: bool) -> float:
        sizes = np.abs(model.restricted.loadings[:, model.best_axis(induction)])
        sides = above_median(model.scores, model.run.layers)
        means = []
        for side in (True, False):
            groups = [
                np.flatnonzero((model.run.layers == layer) & (sides == side))
                for layer in np.unique(model.run.layers)
            ]
            picked = [random.choice(g, len(g)) if redraw else g for g in groups if len(g)]
            means.append(float(sizes[np.concatenate(picked)].mean()))
        return means[0] - means[1]

    def value(redraw: bool) -> float:
        return float(np.median([difference(model, redraw) for model in models]))

    low, high = np.quantile([value(True) for _ in range(repeats)], [0.05, 0.95])
    heads = sum(len(model.scores) for model in models)
    return Measured(value(False), float(low), float(high), n=heads)
