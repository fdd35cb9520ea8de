"""log of sums of exponentials along the last dimension and its gradient, by kernels of our own.

torch goes over the numbers five times and writes them twice, and for the gradient writes them three
times; here a row stays in the cache.
"""

from ctypes import c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from stagewise.engine.machine_code import function, run
from stagewise.engine.products import PRODUCT
from stagewise.engine.vectors import VECTORS

LEAST = 4096
"""Numbers below which getting ready takes longer than torch does."""

KERNEL = (
    PRODUCT
    + VECTORS
    + """
// of a row's last numbers a whole vector, with -inf behind the end: that adds no more than 2^-126
static inline Vector last_of(const float* at, int64_t even, int64_t wide) {
  Vector last = {};
  last -= INFINITY;
  std::copy_n(at + even, wide - even, (float*)&last);
  return last;
}

static float not_finite(const float* at, int64_t wide, float highest) {
  return std::any_of(at, at + wide, [](float x) { return std::isnan(x); }) ? NAN : highest;
}

// of LANES rows, or what is left of them: across a vector once for all
static void some_rows(const float* numbers, float* out, int64_t rows, int64_t wide) {
  const float scale = 1.44269504f;
  int64_t even = wide / LANES * LANES;
  Vector each[LANES] = {}, turned[LANES], highest, sum = {};
  for (int64_t row = 0; row < rows; row++) {
    const float* at = numbers + row * wide;
    each[row] = last_of(at, even, wide);
    for (int64_t j = 0; j < even; j += LANES) {
      Vector x = load(at + j);
      each[row] = x > each[row] ? x : each[row];
    }
  }
  transposed((const float*)each, LANES, (float*)turned, LANES, 1);
  highest = turned[0];
  for (int l = 1; l < LANES; l++) highest = turned[l] > highest ? turned[l] : highest;
  for (int64_t row = 0; row < rows; row++) {
    const float* at = numbers + row * wide;
    each[row] = power((last_of(at, even, wide) - highest[row]) * scale);
    for (int64_t j = 0; j < even; j += LANES)
      each[row] += power((load(at + j) - highest[row]) * scale);
  }
  transposed((const float*)each, LANES, (float*)turned, LANES, 1);
  for (int l = 0; l < LANES; l++) sum += turned[l];
  Vector found = highest + log2(sum) * 0.693147181f;
  for (int64_t row = 0; row < rows; row++)
    out[row] = std::isinf(highest[row]) ? not_finite(numbers + row * wide, wide, highest[row])
                                        : found[row];
}

extern "C" void log_sum_exp(
    const float* numbers, float* out, int64_t rows, int64_t wide, int64_t threads) {
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t row = 0; row < rows; row += LANES)
    some_rows(numbers + row * wide, out + row, std::min<int64_t>(LANES, rows - row), wide);
}

// slope times the softmax, of LANES numbers at once
extern "C" void gradient(
    const float* numbers, const float* found, const float* slopes, float* out, int64_t rows,
    int64_t wide, int64_t threads) {
  const float scale = 1.44269504f;
  int64_t even = wide / LANES * LANES;
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t row = 0; row < rows; row++) {
    const float* at = numbers + row * wide;
    float* to = out + row * wide;
    for (int64_t j = 0; j < even; j += LANES)
      store(to + j, power((load(at + j) - found[row]) * scale) * slopes[row]);
    Vector last = power((last_of(at, even, wide) - found[row]) * scale) * slopes[row];
    std::copy_n((const float*)&last, wide - even, to + even);
  }
}
"""
)


def suits(numbers: Tensor, dimensions: list[int], keep: bool) -> bool:
    """Whether the kernel is the faster one."""
    last = [place % max(1, numbers.dim()) for place in dimensions] == [numbers.dim() - 1]
    single = numbers.dtype == torch.float32 and numbers.device.type == "cpu"
    return last and single and not keep and numbers.numel() >= LEAST and numbers.is_contiguous()


def log_sum_exp(numbers: Tensor) -> Tensor:
    """log sum exp of numbers (..., n) without gaps, in single precision: (...,)."""
    out = numbers.new_empty(numbers.shape[:-1])
    kernel = function(KERNEL, "log_sum_exp", (c_void_p,) * 2 + (c_int64,) * 3)
    threads = torch.get_num_threads()
    run(kernel, (numbers, out), out.numel(), numbers.shape[-1], threads)
    return out


class LogSumExp(torch.autograd.Function):
    """`log_sum_exp`, to be differentiated once."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:
        found = log_sum_exp(numbers)
        ctx.save_for_backward(numbers, found)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Tensor:
        numbers, found = ctx.saved_tensors
        out = torch.empty_like(numbers)
        kernel = function(KERNEL, "gradient", (c_void_p,) * 4 + (c_int64,) * 3)
        given = (numbers, found, slopes.contiguous(), out)
        threads = torch.get_num_threads()
        run(kernel, given, found.numel(), numbers.shape[-1], threads)
        return out
