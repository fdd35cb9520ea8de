"""Scores of heads on patterns that are known."""

import torch
from torch import Tensor

from stagewise.estimators.attention_scores import composition, current_token, prefix, previous_token


def looking(back: int, length: int = 13) -> Tensor:
    """A pattern of two heads: one looks that many places back, one at everything before it."""
    ahead = torch.zeros(length, length)
    for to in range(length):
        ahead[to, max(to - back, 0)] = 1
    even = torch.ones(length, length).tril()
    return torch.stack([ahead, even / even.sum(1, keepdim=True)])[None]


def test_a_head_that_looks_back_by_one() -> None:
    assert previous_token(looking(1))[0] == 1
    assert current_token(looking(1))[0] == 0
    assert current_token(looking(0))[0] == 1
    assert 0 < previous_token(looking(1))[1] < 0.3


def test_an_induction_head_looks_behind_the_earlier_copy() -> None:
    periods = torch.tensor([5])
    assert prefix(looking(4), periods)[0] == 1  # place - 4 comes after the copy at place - 5
    assert prefix(looking(5), periods)[0] == 0
    assert prefix(looking(1), periods)[0] == 0
    # from place 11 there are two earlier copies, and looking behind either counts
    assert 0 < prefix(looking(9), periods)[0] < 1


def test_even_attention_has_the_share_of_the_places_that_count() -> None:
    places = torch.arange(1, 13)
    repeated = places[places > 5]
    copies = (repeated - 1) // 5
    expected = (copies / (repeated + 1)).mean()
    torch.testing.assert_close(prefix(looking(1), torch.tensor([5]))[1], expected)


def test_composition_is_of_what_is_written_and_read() -> None:
    writer, reader = torch.zeros(4, 4), torch.zeros(4, 4)
    writer[0, 1], reader[1, 2] = 2.0, 3.0
    assert composition(writer, reader) == 1
    assert composition(writer, reader.T) == 0
