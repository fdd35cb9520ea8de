"""A corpus of two languages in which every content word has a translation.

A sequence is a beginning and pairs of a function word and a content word. The function word tells
the language of the content word behind it, an article as it were; languages are drawn anew for each
pair. Content words name concepts, which follow a Markov chain,

    P(next concept = pi_s(k) | k) = p_s,   s = 1, 2, ...

with random permutations pi_s. Each concept has a word in either language. So all content words are
equally frequent, the two words of a concept come behind the same content words equally often, and
never compete for a place, since the function word between says which of them it can be.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BEGINNING = 0


@dataclass(frozen=True)
class Languages:
    """Sizes and probabilities."""

    concepts: int = 24
    function_words: int = 2
    """Of each language."""
    successors: list[float] = field(default_factory=lambda: [0.6, 0.3, 0.1])
    """p_s, the probabilities of a concept's successors."""
    related: bool = True
    """Whether both languages have the same chain of concepts, or the second one of its own, so that
    the words of a concept have no contexts in common: a control."""

    def __post_init__(self) -> None:
        for name in ("concepts", "function_words"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if min(self.successors) < 0 or abs(sum(self.successors) - 1) > 1e-9:
            raise ValueError(f"successors: must be probabilities, got {self.successors}")

    @property
    def vocabulary(self) -> int:
        return 1 + 2 * (self.function_words + self.concepts)

    def words(self, language: int) -> NDArray[np.int64]:
        """Tokens of the concepts in language 0 or 1, (concept,)."""
        first = 1 + 2 * self.function_words + language * self.concepts
        return np.arange(first, first + self.concepts)


def successors(languages: Languages, tables: int) -> NDArray[np.int64]:
    """The permutations pi_s (language, s, concept), by the seed of the tables."""
    random = np.random.default_rng(tables)
    count = len(languages.successors)
    first, second = (
        np.stack([random.permutation(languages.concepts) for _ in range(count)]) for _ in range(2)
    )
    return np.stack([first, first if languages.related else second])


def bilingual(
    languages: Languages, count: int, content_words: int, *, tables: int, seed: int
) -> NDArray[np.int64]:
    """Tokens (count, 1 + 2 content_words): the beginning, then function and content words in turn.

    The chain of concepts follows the permutations of the language that the next word is in.
    """
    random = np.random.default_rng(seed)
    follow = successors(languages, tables)
    found = np.empty((count, 1 + 2 * content_words), dtype=np.int64)
    found[:, 0] = BEGINNING
    shape = (count, content_words)
    spoken = random.integers(0, 2, shape)
    articles = random.integers(0, languages.function_words, shape)
    found[:, 1::2] = 1 + spoken * languages.function_words + articles
    ranks = random.choice(len(languages.successors), size=shape, p=languages.successors)
    concept = random.integers(0, languages.concepts, count)
    words = np.stack([languages.words(0), languages.words(1)])
    for place in range(content_words):
        if place:
            concept = follow[spoken[:, place], ranks[:, place], concept]
        found[:, 2 + 2 * place] = words[spoken[:, place], concept]
    return found
