"""The corpus of two languages."""

import numpy as np
import pytest

from stagewise.data.bilingual import BEGINNING, Languages, bilingual, successors


@pytest.mark.parametrize("related", [True, False])
def test_statistics_are_those_of_the_chain(related):
    languages = Languages(concepts=5, successors=[0.7, 0.3], related=related)
    tokens = bilingual(languages, 4000, 6, tables=3, seed=0)
    assert (tokens[:, 0] == BEGINNING).all()
    content = tokens[:, 2::2] - 1 - 2 * languages.function_words
    spoken, concept = content // 5, content % 5
    assert set(np.unique(spoken)) == {0, 1}
    # The function word before says the language.
    assert ((tokens[:, 1::2] - 1) // languages.function_words == spoken).all()
    follow = successors(languages, 3)
    for language in (0, 1):
        now = spoken[:, 1:] == language
        joint = np.zeros((5, 5))
        np.add.at(joint, (concept[:, :-1][now], concept[:, 1:][now]), 1)
        wanted = np.zeros((5, 5))
        for share, permutation in zip(languages.successors, follow[language], strict=True):
            np.add.at(wanted, (np.arange(5), permutation), share)
        assert joint / joint.sum(1, keepdims=True) == pytest.approx(wanted, abs=0.03)
    counts = np.bincount(content.ravel(), minlength=10) / content.size
    assert counts == pytest.approx(0.1, abs=0.01)
    assert (np.array_equal(follow[0], follow[1])) == related


def test_tables_and_sequences_have_seeds_of_their_own():
    languages = Languages(concepts=6)
    one = bilingual(languages, 10, 4, tables=0, seed=0)
    assert np.array_equal(one, bilingual(languages, 10, 4, tables=0, seed=0))
    assert not np.array_equal(one, bilingual(languages, 10, 4, tables=0, seed=1))
    assert not np.array_equal(successors(languages, 0), successors(languages, 1))


@pytest.mark.parametrize(
    ("settings", "named"), [({"concepts": 0}, "concepts"), ({"successors": [0.5]}, "successors")]
)
def test_bad_settings_are_named(settings, named):
    with pytest.raises(ValueError, match=named):
        Languages(**settings)
