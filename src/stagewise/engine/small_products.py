"""Products of small matrices, thousands at once, by a kernel of our own.

Of matrices up to 32 wide, a library's product spends more on getting ready than on multiplying.
The kernel adds a sum's terms in their order, each by one instruction, as libraries do at these
sizes: what is recorded with it is kept where it gives the same numbers to the last bit.
"""

import logging
from ctypes import c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor

from stagewise.engine.machine_code import function, reported, run, uncompiled
from stagewise.engine.products import PRODUCT

log = logging.getLogger("stagewise")

MOST = 32
"""Rows, terms and columns above which `products` has the better kernel."""
NARROWEST = 8
"""Columns below which most of a vector is idle."""
FEWEST = 256
"""Matrices below which loading the kernel is hardly repaid."""

KERNEL = (
    f"constexpr int64_t MOST = {MOST};"
    + """

// to rows of whole vectors; what stands behind the columns is not used
static inline void packed(Matrix b, float* to, int64_t deep, int64_t wide, int64_t padded) {
  bool rows = b.along == 1 && b.down >= wide;
  for (int64_t k = 0; k < deep; k++, to += padded) {
    const float* from = b.at + k * b.down;
    if (rows && (deep - 1 - k) * b.down + wide >= padded)
      for (int64_t j = 0; j < padded; j += LANES) *(Vector*)(to + j) = *(const Vector*)(from + j);
    else {
      for (int64_t j = 0; j < wide; j++) to[j] = from[j * b.along];
      for (int64_t j = wide; j < padded; j++) to[j] = 0;
    }
  }
}

template <int ROWS>
static inline __attribute__((always_inline)) void rows_of(
    Matrix a, Matrix b, float* out, float* end, int64_t deep, int64_t wide, int64_t padded) {
  // from the last columns: what their vector holds beyond its row is written over later
  for (int64_t j = padded - LANES; j >= 0; j -= LANES) {
    Vector sums[ROWS] = {};
    for (int64_t k = 0; k < deep; k++)
      for (int i = 0; i < ROWS; i++)
        sums[i] += a.at[i * a.down + k * a.along] * *(const Vector*)(b.at + k * b.down + j);
    for (int i = 0; i < ROWS; i++) {
      float* to = out + i * wide + j;
      if (to + LANES <= end) *(Vector*)to = sums[i];
      else for (int64_t l = 0; j + l < wide; l++) to[l] = sums[i][l];
    }
  }
}

static void small(Matrix a, Matrix b, float* out, int64_t high, int64_t deep, int64_t wide) {
  int64_t padded = (wide + LANES - 1) / LANES * LANES, i = 0;
  float* end = out + high * wide;
  auto from = [&](int64_t row) { return Matrix{a.at + row * a.down, a.down, a.along}; };
  for (; i + TALL <= high; i += TALL)
    rows_of<TALL>(from(i), b, out + i * wide, end, deep, wide, padded);
  for (; i < high; i++) rows_of<1>(from(i), b, out + i * wide, end, deep, wide, padded);
}

extern "C" void small_products(
    const float* first, const float* second, float* out, int64_t rows, int64_t high,
    int64_t inner, int64_t wide, int64_t a_row, int64_t a_down, int64_t a_along, int64_t b_row,
    int64_t b_down, int64_t b_along, int64_t threads) {
  int64_t padded = (wide + LANES - 1) / LANES * LANES;
  bool pack = b_along != 1 || padded != wide;
  #pragma omp parallel num_threads(threads) if (threads > 1)
  {
    float room[MOST * MOST];
    if (b_row == 0) packed({second, b_down, b_along}, room, inner, wide, padded);
    #pragma omp for
    for (int64_t row = 0; row < rows; row++) {
      Matrix b = {second + row * b_row, b_down, b_along};
      if (pack && b_row != 0) packed(b, room, inner, wide, padded);
      if (pack || b_row == 0) b = {room, padded, 1};
      small(
          {first + row * a_row, a_down, a_along}, b, out + row * high * wide, high, inner, wide);
    }
  }
}
"""
)

ARGUMENTS = (c_void_p,) * 3 + (c_int64,) * 11


def suits(first: Tensor, second: Tensor) -> bool:
    """Whether the kernel is the faster one for (row, a, k) @ (row, k, b)."""
    single = first.dtype == second.dtype == torch.float32 and first.device.type == "cpu"
    sizes = first.shape[1], second.shape[1], second.shape[2]
    small = max(sizes) <= MOST and sizes[2] >= NARROWEST
    return single and len(first) >= FEWEST and small and usable()


@cache
def usable() -> bool:
    """Whether the kernel can be compiled here, or has been by an earlier run; says so if not."""
    try:
        with reported(lambda *_: None):  # no tape is to hold this
            multiplied(torch.ones(1, 1, 1), torch.ones(1, 1, 1))
    except Exception as error:
        # whatever a compiler can fail with: torch has its own
        log.warning("%s: torch multiplies small matrices", uncompiled(error))
        return False
    return True


def multiplied(first: Tensor, second: Tensor) -> Tensor:
    """(row, a, k) @ (row, k, b) in single precision on a processor, of any strides.

    The result lies column by column where both factors lie along its columns.
    """
    if _along(first.mT) and _along(second) and not _along(first):
        return _product(second.mT, first.mT).mT
    return _product(first, second)


def _along(matrices: Tensor) -> bool:
    return matrices.stride(2) == 1


def _product(first: Tensor, second: Tensor) -> Tensor:
    out = first.new_empty(*first.shape[:2], second.shape[2])
    run(
        function(PRODUCT + KERNEL, "small_products", ARGUMENTS),
        (first, second, out),
        *first.shape,
        second.shape[2],
        *first.stride(),
        *second.stride(),
        torch.get_num_threads(),
    )
    return out
