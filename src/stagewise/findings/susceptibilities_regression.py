"""A regression that was sampled, and what its susceptibilities are in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.engine.sampling import ALL
from stagewise.testbeds import linear_regression
from stagewise.theory import gaussian_susceptibilities as theory
from stagewise.theory.local_influence import posterior_covariance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """The data at least squares, and the posterior of the chains."""

    x: Array
    """(sample, d)"""
    residuals: Array
    """(sample,)"""
    of: dict[str, NDArray[np.bool_]]
    """Component -> its weights, (d,)."""
    localization: float

    def inputs(self, component: str) -> Array:
        """x_z of the component's weights, (sample, size)."""
        return self.x if component == ALL else self.x[:, self.of[component]]

    def hessian(self, component: str) -> Array:
        """H_CC"""
        x = self.inputs(component)
        return np.asarray(x.T @ x / len(x))

    def deviations(self, component: str) -> Array:
        """(B_z - H)_CC, (sample, size, size)"""
        x = self.inputs(component)
        return np.asarray(np.einsum("zi,zj->zij", x, x) - self.hessian(component))

    def sigma(self, component: str, nbeta: float, epsilon: float) -> Array:
        """Covariance of what full-batch chains with that step sample."""
        return posterior_covariance(
            self.hessian(component),
            nbeta=nbeta,
            localization=self.localization,
            epsilon=epsilon,
        )

    def restricted(self, component: str, nbeta: float, epsilon: float) -> Array:
        """-Cov_C[g, l_z - L], (sample,)."""
        sigma = self.sigma(component, nbeta, epsilon)
        return theory.restricted(self.hessian(component), self.deviations(component), sigma)

    def two_chain(self, component: str, nbeta: float, epsilon: float) -> Array:
        """-(E_C[g (l_z - L)] - E_C[g] E_full[l_z - L]), (sample,)."""
        sigma = self.sigma(component, nbeta, epsilon)
        return theory.two_chain(
            self.restricted(component, nbeta, epsilon),
            theory.rise(self.hessian(component), sigma),
            theory.shifts(self.deviations(component), sigma),
            theory.shifts(self.deviations(ALL), self.sigma(ALL, nbeta, epsilon)),
        )

    def coupled(self, component: str, nbetas: tuple[float, float], epsilon: float) -> Array:
        """What coupled chains at two temperatures estimate, (sample,)."""
        return theory.coupled(
            self.hessian(component),
            self.deviations(component),
            nbetas=nbetas,
            localization=self.localization,
            epsilon=epsilon,
        )

    def responses(self, component: str, probes: int, field: float, nbeta: float) -> pd.DataFrame:
        """What a field of each of some equal subsets of the samples does to <g>, over n beta.

        Columns: component, probe, h, expected (minus the covariance), central and one_sided
        (differences).
        """
        expected = self.restricted(component, nbeta, 0.0)
        parts = np.array_split(np.arange(len(self.x)), probes)

        def rise(places: NDArray[np.int64], strength: float) -> float:
            probe = np.zeros(len(self.x))
            probe[places] = 1 / len(places)
            return theory.rise_under_field(
                self.inputs(component),
                self.residuals,
                probe,
                strength,
                nbeta=nbeta,
                localization=self.localization,
            )

        rows = []
        for probe, places in enumerate(parts):
            up, none, down = (rise(places, strength) for strength in (field, 0.0, -field))
            rows.append(
                {
                    "component": component,
                    "probe": probe,
                    "h": field,
                    "expected": float(expected[places].mean()),
                    "central": (up - down) / (2 * field * nbeta),
                    "one_sided": (up - none) / (field * nbeta),
                }
            )
        return pd.DataFrame(rows)


def regression(model: Mapping[str, Any], seed: int, localization: float) -> Regression:
    """The first data set of a testbed `linear_regression` with blocks."""
    testbed = linear_regression.build(dict(model), seed)
    assert testbed.points is not None
    points = testbed.points()
    x, y, w = (
        tensor[0].numpy()
        for tensor in (points.constants["x"], points.constants["y"], points.parameters["w"])
    )
    of = {name: mask["w"].numpy() for name, mask in testbed.components.items()}
    return Regression(x, y - x @ w, of, localization)
