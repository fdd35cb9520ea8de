"""Developments of models that are planted: tables of their LLC and of what they can do, outputs."""

import numpy as np
import pandas as pd
import xarray as xr

STEPS = np.unique(np.r_[0, np.geomspace(1, 4000, 34).round()])
X = np.log1p(STEPS)


def rise(at, width=0.2):
    """From 0 to 1 over log(step + 1), half-way at step `at`."""
    return 1 / (1 + np.exp(-(X - np.log1p(at)) / width))


STAIRCASE = 35 * rise(60) + 80 * rise(760) - 20 * rise(2300, 0.25)


def llc_table(curve, seed, *, noise=1.0, loss=None, rhat=1.0):
    """An LLC table of estimates around a curve, with a loss that falls all the time."""
    random = np.random.default_rng(seed)
    estimates = curve + noise * random.standard_normal(len(curve))
    falling = 4 - 0.2 * X if loss is None else loss
    return pd.DataFrame(
        {
            "seed": seed, "step": STEPS, "loss": falling, "lambda_hat": estimates,
            "standard_error": noise, "low": estimates - 2 * noise, "high": estimates + 2 * noise,
            "rhat": rhat, "tether_ratio": 0.2, "loss_rise": 0.3,
        }
    )  # fmt: skip


def language_table(seed, *, bigrams=60, positions=300, previous=450, prefix=780):
    """Scores in which each ability is half there at a given step."""
    markov = 3.8 - 1.1 * rise(bigrams)
    repeated = 3.8 - 3.4 * rise(prefix)
    heads = {
        f"{score} {layer}:{head}": np.full(len(STEPS), 0.05)
        for score in ("previous_token", "prefix")
        for layer in (0, 1)
        for head in range(2)
    }
    heads["previous_token 0:1"] = 0.05 + 0.7 * rise(previous)
    heads["previous_token 1:0"] = 0.9 * rise(2)  # of the wrong layer
    heads["prefix 1:0"] = 0.03 + 0.7 * rise(prefix)
    gap = 0.7 - 0.62 * rise(bigrams) + 0.1 * rise(prefix)
    mixture = markov + repeated - 2
    return pd.DataFrame(
        {
            "seed": seed, "step": STEPS, "loss_mixture": mixture, "loss_markov": markov,
            "loss_markov_error": 0.01, "loss_first_copy": 3.5, "loss_repeated": repeated,
            "loss_triggered": 2.0, "loss_closing": 1.0,
            "loss_no_positions": mixture + rise(positions), "bigram_gap": gap,
            "loss_no_positions_repeated": repeated + 3 * rise(prefix),
            "ngram_3": 1 + 2 * rise(positions), "ngram_4": 1 + 1.5 * rise(positions),
            "icl": -rise(prefix), "entropy_unigram": 3.8, "entropy_bigram": 2.7,
            "entropy_rate": 2.4, **heads,
        }
    )  # fmt: skip


def regression_table(seed, *, learns=True):
    """D = 2 and sigma^2 = 1/8: predictions vanish at step 20, ridge regression from 300 on."""
    prior, context = rise(20, 0.3), rise(300, 0.3) * learns
    loss = 4.1 - 1.975 * prior - 1.4 * context
    return pd.DataFrame(
        {
            "seed": seed, "step": STEPS, "loss": loss, "loss_error": 0.02, "bayes_loss": 0.66,
            "excess": loss - 0.66, "excess_error": 0.01, "icl": -1.7 * context,
            "mean_square_prediction": 2 - 1.95 * prior + 1.4 * context,
            **{f"ood_loss_{g}": 1.1 - 0.5 * context + 0.1 * rise(3000) * (g > 3)
               for g in (1, 3, 10, 30, 100)},
            "norm_small_share norm0": 0.0, "effective_rank embed": 3 - 0.2 * rise(3000),
        }
    )  # fmt: skip


def text_table(seed):
    """Induction at step 1500 and previous-token heads at step 2500: the other order."""
    return pd.DataFrame(
        {
            "seed": seed, "step": STEPS, "loss": 6.2 - 3 * rise(100),
            "loss_repeated": 6.2 - 3 * rise(100) - 1.5 * rise(1500, 0.1),
            "loss_first": 6.2 - 2 * rise(100), "loss_first_copy": 6.2,
            "loss_second_copy": 6.2 - 6 * rise(1500, 0.1),
            "loss_no_positions": 6.2 - 3 * rise(100) + rise(300),
            "bigram_gap": 1.5 - 0.8 * rise(100), "ngram_3": 1 + rise(300), "ngram_4": 1 + rise(300),
            "previous_token 0:0": 0.05 + 0.8 * rise(2500, 0.1),
            "prefix 1:1": 0.02 + 0.8 * rise(1500, 0.1),
        }
    )  # fmt: skip


def outputs(seed, *, walk=False):
    """A straight way that turns back at the steps where the staircase rises, or a random walk."""
    random = np.random.default_rng(seed)
    if walk:
        path = np.cumsum(random.standard_normal((len(STEPS), 400)), axis=0)
    else:
        way = np.stack([rise(60), rise(760), np.abs(X - np.log1p(760)) / 8], axis=1)
        path = way @ random.standard_normal((3, 400))
        path += 1e-3 * random.standard_normal(path.shape)
    return xr.Dataset(
        {"outputs": (("checkpoint", "output"), path)}, coords={"step": ("checkpoint", STEPS)}
    ).assign_attrs(seed=seed)
