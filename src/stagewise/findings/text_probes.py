"""Domains as probes: the mean susceptibility of a domain's tokens less that of the base's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, bootstrap, exact

Array = NDArray[Any]


@dataclass(frozen=True)
class Probes:
    """Susceptibilities of tokens, by domain."""

    values: Array
    """(token, head)"""
    domain: Array
    """(token,) name"""
    sequence: Array
    """(token,) number"""

    @property
    def names(self) -> list[str]:
        """Of the domains, in the order of the sequences."""
        return list(dict.fromkeys(self.domain.tolist()))

    def by_sequence(self) -> tuple[Array, Array]:
        """(sequence, head) means, and the domain of each sequence."""
        means = pd.DataFrame(self.values).groupby(self.sequence).mean().to_numpy()
        _, first = np.unique(self.sequence, return_index=True)
        return means, self.domain[first]


def _responses(means: Array, domains: Array, names: list[str], base: Mapping[str, float]) -> Array:
    """(domain, head), each domain's mean less the base's, which is the mean by its shares."""
    each = np.array([means[domains == name].mean(0) for name in names])
    shares = np.array([base[name] for name in names])
    return np.asarray(each - shares @ each / shares.sum())


def over_random(
    probes: Probes, base: Mapping[str, float], *, permutations: int, seed: int
) -> Measured:
    """Root mean square of the probes' susceptibilities, over the 95 % quantile of it where
    sequences are dealt to domains at random."""
    means, domains = probes.by_sequence()
    random = np.random.default_rng(seed)

    def size(of: Array) -> float:
        return float(np.sqrt((_responses(means, of, probes.names, base) ** 2).mean()))

    chance = [size(random.permutation(domains)) for _ in range(permutations)]
    return exact(size(domains) / float(np.quantile(chance, 0.95)), len(means))


def outlier(
    probes: Probes, base: Mapping[str, float], kind: Array, *, repeats: int, seed: int
) -> Measured:
    """Of the domain and head with the largest susceptibility in size, the largest share of it that
    tokens of one class have; classes of tokens (token,). Resamples the domain's sequences.

    A class has its tokens' sum of the susceptibility less the base's, over the domain's tokens.
    """
    means, domains = probes.by_sequence()
    found = _responses(means, domains, probes.names, base)
    place, head = np.unravel_index(np.abs(found).argmax(), found.shape)
    whole = np.array([means[domains == name].mean(0)[head] for name in probes.names])
    shares = np.array([base[name] for name in probes.names])
    apart = probes.values[:, head] - shares @ whole / shares.sum()
    own = probes.domain == probes.names[int(place)]
    sums = pd.DataFrame({"sequence": probes.sequence[own], "kind": kind[own], "apart": apart[own]})
    by_kind = sums.pivot_table(
        index="sequence", columns="kind", values="apart", aggfunc="sum", fill_value=0.0
    ).to_numpy()
    largest = int(np.argmax(by_kind.sum(0) / by_kind.sum()))

    def share(chosen: Array) -> float:
        return float(by_kind[chosen, largest].sum() / by_kind[chosen].sum())

    return bootstrap(share, len(by_kind), seed=seed, repeats=repeats)


def probe_rows(
    probes: Probes, base: Mapping[str, float], heads: list[str], *, repeats: int, seed: int
) -> pd.DataFrame:
    """One row per domain and head: value, low, high (90 % interval over sequences, resampled within
    domains), and the domain's share of the base."""
    means, domains = probes.by_sequence()
    random = np.random.default_rng(seed)
    own = {name: np.flatnonzero(domains == name) for name in probes.names}
    again = []
    for _ in range(repeats):
        chosen = np.concatenate([random.choice(rows, len(rows)) for rows in own.values()])
        again.append(_responses(means[chosen], domains[chosen], probes.names, base))
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    value = _responses(means, domains, probes.names, base)
    return pd.DataFrame(
        [
            {
                "kind": "probe",
                "source": name,
                "head": head,
                "value": value[k, j],
                "low": low[k, j],
                "high": high[k, j],
                "base": base[name],
            }
            for k, name in enumerate(probes.names)
            for j, head in enumerate(heads)
        ]
    )
