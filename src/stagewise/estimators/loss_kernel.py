"""Loss kernels as similarities of samples: how strong, of what structure (Adam et al., 2509.26537).

The kernel is K(i, j) = Cov(l_i, l_j) over the local posterior and R its normalised form; both are
those of `estimators.influence`. Noise of the chains makes |R| and R^2 positive where the truth is
zero. Here R^2 is estimated from products of different chains, whose noise is independent, so that
its mean over a block of pairs is zero where nothing is coupled, and may come out negative.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

Array = NDArray[np.float64]


def squared_correlations(blocks: ArrayLike) -> Array:
    """R(i, j)^2 without the noise of the chains, (a, a), from covariances (chain, a, a).

        sum_{c != c'} K_c(i, j) K_c'(i, j) / sum_{c != c'} K_c(i, i) K_c'(j, j)

    0 where a loss does not vary. Needs two chains, else ValueError.
    """
    found = np.asarray(blocks, dtype=np.float64)
    if len(found) < 2:
        raise ValueError("products of different chains need at least two chains")
    variances = np.diagonal(found, axis1=1, axis2=2)
    total = variances.sum(0)
    scale = np.outer(total, total) - variances.T @ variances
    products = found.sum(0) ** 2 - (found**2).sum(0)
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)


def strength(squares: ArrayLike) -> Array:
    """Root of mean squares, elementwise; 0 for those that came out negative."""
    return np.sqrt(np.maximum(np.asarray(squares, dtype=np.float64), 0))


def distances(correlations: ArrayLike) -> Array:
    """sqrt(2 (1 - R)), (a, a): Euclidean, between unit vectors of which R is the Gram matrix."""
    found = np.sqrt(np.maximum(2 * (1 - np.asarray(correlations, dtype=np.float64)), 0))
    np.fill_diagonal(found, 0)
    return found


def unsigned_distances(correlations: ArrayLike) -> Array:
    """1 - |R|, (a, a): small where losses are coupled, whichever the sign."""
    found = 1 - np.abs(np.asarray(correlations, dtype=np.float64))
    np.fill_diagonal(found, 0)
    return found


def between_classes(values: ArrayLike, labels: ArrayLike) -> Array:
    """Means of values (a, a) over the pairs of different samples of two classes, (class, class)."""
    found, label = np.asarray(values, dtype=np.float64), np.asarray(labels)
    member = (label[:, None] == np.unique(label)).astype(np.float64)
    sums = member.T @ (found - np.diag(np.diagonal(found))) @ member
    counts = member.sum(0)
    pairs = np.outer(counts, counts) - np.diag(counts)
    return np.divide(sums, pairs, out=np.full_like(sums, np.nan), where=pairs > 0)


def within_and_across(values: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Means of values (a, a) over pairs of different samples with the same and another label."""
    found, label = np.asarray(values, dtype=np.float64), np.asarray(labels)
    upper = np.triu(np.ones(found.shape, dtype=bool), 1)
    same = label[:, None] == label
    return float(found[same & upper].mean()), float(found[~same & upper].mean())


def across_over_within(squares: ArrayLike, labels: ArrayLike) -> float:
    """Strength of pairs with different labels over that of pairs with the same, from squares
    (a, a); not a number where nothing is coupled within."""
    within, across = map(float, map(strength, within_and_across(squares, labels)))
    return across / within if within > 0 else float("nan")


def auc(values: ArrayLike, labels: ArrayLike) -> float:
    """Chance that a pair with the same label has the larger value (a, a) than one without."""
    found, label = np.asarray(values, dtype=np.float64), np.asarray(labels)
    pairs = np.triu_indices(len(found), 1)
    same = (label[:, None] == label)[pairs]
    ranks = rankdata(found[pairs])
    hits, misses = same.sum(), (~same).sum()
    return float((ranks[same].sum() - hits * (hits + 1) / 2) / (hits * misses))


def neighbour_agreement(values: ArrayLike, labels: ArrayLike) -> float:
    """Share of samples whose most similar other sample, by values (a, a), has their label."""
    found, label = np.array(values, dtype=np.float64), np.asarray(labels)
    np.fill_diagonal(found, -np.inf)
    return float((label[found.argmax(1)] == label).mean())


def clusters_agreement(correlations: ArrayLike, labels: ArrayLike) -> float:
    """Adjusted Rand index of the labels and as many spectral clusters of |R| (a, a)."""
    label = np.asarray(labels)
    model = SpectralClustering(len(np.unique(label)), affinity="precomputed", random_state=0)
    return float(adjusted_rand_score(label, model.fit_predict(np.abs(np.asarray(correlations)))))


def cosine_similarities(vectors: ArrayLike) -> Array:
    """Cosines between the rows of (a, feature), (a, a); 0 for a row of zeros."""
    found = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    unit = np.divide(found, norms, out=np.zeros_like(found), where=norms > 0)
    return np.asarray(unit @ unit.T)


def effective_draws(losses: ArrayLike) -> float:
    """Independent draws that the noise of R between uncoupled samples is worth.

        N / (1 + 2 sum_t rho(t)^2)

    of losses (chain, draw, a), N of all chains, rho the autocorrelation at lag t, the mean over
    samples, up to the first lag where it is below 0.05: R of two uncoupled series of that
    autocorrelation has the variance one over this.
    """
    found = np.asarray(losses, dtype=np.float64)
    chains, draws, _ = found.shape
    found = found - found.mean(1, keepdims=True)
    spectrum = np.fft.rfft(found, n=2 * draws, axis=1)
    power = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :draws].sum(0)
    varies = power[0] > 0
    rho = (power[:, varies] / power[0, varies]).mean(1)
    last = int(np.argmax(rho < 0.05)) or draws
    return chains * draws / (1 + 2 * float((rho[1:last] ** 2).sum()))
