"""Our kernel for the log of sums of exponentials against torch's, in double precision."""

import pytest
import torch

from stagewise.engine.log_sum_exp import log_sum_exp, suits
from stagewise.engine.machine_code import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


@pytest.mark.parametrize("wide", [1, 3, 16, 44, 64, 513])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_as_exact_as_torch(wide, scale):
    torch.manual_seed(0)
    numbers = scale * torch.randn(7, 5, wide)
    wanted = numbers.double().logsumexp(-1)
    usual = (numbers.logsumexp(-1) - wanted).abs().max()
    error = (log_sum_exp(numbers) - wanted).abs().max()
    assert error <= 2 * max(usual, 2e-7 * max(1.0, wanted.abs().max()))


def test_what_is_not_finite():
    nan, inf = torch.nan, torch.inf
    rows = [[0, nan, 1], [inf, 0, 1], [-inf, -inf, -inf], [-inf, 0, 0], [nan, nan, nan]]
    rows += [[-inf, nan, -inf], [1e30, -1e30, 0], [-200, -300, -400]]
    for wide in (3, 48):
        numbers = torch.full((len(rows), wide), -inf)
        numbers[:, -3:] = torch.tensor(rows)
        torch.testing.assert_close(
            log_sum_exp(numbers), numbers.logsumexp(-1), equal_nan=True, rtol=1e-6, atol=1e-6
        )


def test_only_what_the_kernel_is_made_for():
    numbers = torch.randn(100, 50)
    assert suits(numbers, [-1], False)
    assert suits(numbers, [1], False)
    assert not suits(numbers, [0], False)
    assert not suits(numbers, [0, 1], False)
    assert not suits(numbers, [1], True)
    assert not suits(numbers.double(), [1], False)
    assert not suits(numbers.T, [1], False)
    assert not suits(numbers[:2], [1], False)
