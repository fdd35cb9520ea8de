"""Part B of figure 10: which attribution foretells the losses of retrained classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.findings.bif_scores import (
    covariances,
    effective_draws,
    over_subsets,
    permuted,
    run_scores,
)
from stagewise.findings.measured import Measured, exact, mean_of
from stagewise.settings import build
from stagewise.testbeds import digits_mlp
from stagewise.testbeds.testbed import Points

Array = NDArray[np.float64]

BASELINES = ("gradients", "kfac", "ekfac", "trak")


@dataclass(frozen=True)
class Settings:
    """What is compared, and how it is resampled."""

    model: dict[str, Any]
    """Of the testbed, as it was trained."""
    main: str
    """The sampling whose covariance is the influence function of the claims."""
    zero: str
    """The one at n beta = 0."""
    rivals: Rivals
    bootstrap: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Linear datamodelling scores of all attributions, means over runs, subsets of each resampled.

    inputs   checkpoints: trajectories; retrained: losses on subsets; every other one: draws of a
             sampling with traces of the losses on `train` and `test`. One of each seed.
    returns  one row per attribution and share: score and by how much it is behind the main
             covariance, with intervals; of covariances n beta and localization.
             Statistics, with share = 10, 25, ... per cent:
               bif_<share>                   score of the main covariance
               bif_minus_<rival>_<share>     its difference from a rival's
               bif_over_best_<share>         its ratio to the best exact damped influence function
               normalised_minus_bif_<share>  of correlations instead of covariances
               ekfac_minus_trak_<share>, trak_minus_gradients_<share>
               ceiling_<share>               score of other repeats of the same retraining
               permuted_<share>              of covariances of permuted draws (control)
               permuted_noise                root mean square of their correlations, in units of
                                             what independent draws give
               zero_gradient_correlation     Pearson correlation of covariances at n beta = 0 with
                                             inner products of gradients, least over seeds
               effective_draws               median over training losses, least over seeds
    """
    wanted = build(Settings, settings, "papers.bif.retraining")
    samplings = [name for name in inputs if name not in ("checkpoints", "retrained")]
    scores: list[dict[tuple[str, int], Array]] = []
    noise, correlations, sizes = [], [], []
    for number, (points, truth) in enumerate(
        zip(inputs["checkpoints"], inputs["retrained"], strict=True)
    ):
        draws = {name: inputs[name][number] for name in samplings}
        found = run_attributions(points, wanted.model, wanted.rivals)
        for name, of_sampling in draws.items():
            covariance, normalised = covariances(of_sampling)
            found[f"bif {name}"] = covariance
            found[f"normalised {name}"] = normalised
        random = np.random.default_rng(number)
        main = draws[wanted.main]
        found["permuted"], size = permuted(main, random)
        noise.append(size)
        zero, gradients = found[f"bif {wanted.zero}"], found["gradients"]
        correlations.append(np.corrcoef(zero.ravel(), gradients.ravel())[0, 1])
        sizes.append(effective_draws(main))
        scores.append(run_scores(found, truth, random, wanted.bootstrap))
    joint = {key: np.mean([part[key] for part in scores], 0) for key in scores[0]}
    subsets = inputs["retrained"][0].sizes["subset"]

    def measured(values: Array) -> Measured:
        return over_subsets(values, len(scores), subsets)

    statistics = {
        "permuted_noise": mean_of(noise),
        "zero_gradient_correlation": exact(min(correlations), len(correlations)),
        "effective_draws": exact(min(sizes), len(sizes)),
    }
    rows = []
    bif = f"bif {wanted.main}"
    for share in sorted({share for _, share in joint}):
        of = {name: values for (name, at), values in joint.items() if at == share}
        best = np.max([v for name, v in of.items() if name.startswith("damped")], axis=0)
        pairs = {
            f"bif_{share}": of[bif],
            f"bif_over_best_{share}": of[bif] / best,
            f"normalised_minus_bif_{share}": of[f"normalised {wanted.main}"] - of[bif],
            f"ekfac_minus_trak_{share}": of["ekfac"] - of["trak"],
            f"trak_minus_gradients_{share}": of["trak"] - of["gradients"],
            f"ceiling_{share}": of["ceiling"],
            f"permuted_{share}": of["permuted"],
            **{f"bif_minus_{name}_{share}": of[bif] - of[name] for name in BASELINES},
        }
        statistics |= {name: measured(values) for name, values in pairs.items()}
        for name, values in of.items():
            score, apart = measured(values), measured(of[bif] - values)
            rows.append(
                {
                    "attribution": name,
                    "share": share,
                    "score": score.value,
                    "low": score.low,
                    "high": score.high,
                    "behind": apart.value,
                    "behind_low": apart.low,
                    "behind_high": apart.high,
                }
            )
    table = pd.DataFrame(rows).assign(main=bif)
    for column in ("nbeta", "localization"):
        of_sampling = {
            f"bif {name}": float(inputs[name][0][column].squeeze()) for name in samplings
        }
        table[column] = table.attribution.map(of_sampling)
    return table, statistics


def run_attributions(points: Points, settings: dict[str, Any], rivals: Rivals) -> dict[str, Array]:
    """Attributions at the last checkpoint of a run of the given `model` settings."""
    model = build(digits_mlp.Model, settings, "papers.bif.model")
    testbed = digits_mlp.build(settings, int(points.index["seed"].iloc[0]))
    last = int(points.index["step"].to_numpy().argmax())
    return attributions(
        {name: tensor[last] for name, tensor in points.parameters.items()},
        testbed.data,
        testbed.observables["test"].data,
        activation=model.activation,
        penalty=model.penalty,
        rivals=rivals,
    )
