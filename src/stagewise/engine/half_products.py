"""Products of matrices in bfloat16, by a kernel of our own, for processors that multiply such.

The factors are rounded to eight bits, two numbers are multiplied and added for one, and sums are of
single precision; everything around the products stays so, too. torch's autocast rounds the results
as well, and takes longer to get ready than a small model takes to multiply: this way half of the
time of a product is saved however small it is.
"""

from functools import cache

import torch
from torch import Tensor

from stagewise.engine.machine_code import CompileError
from stagewise.engine.products import product_of

PRODUCT = """
#ifndef __AVX512BF16__
#error the processor has no products in bfloat16
#endif
#include <algorithm>
#include <cstdint>
#include <immintrin.h>
#include <vector>

constexpr int LANES = 16, TALL = 8;
constexpr int64_t DEEP = 512, HIGH = 64;

struct Matrix { const float* at; int64_t down, along; };
typedef uint32_t Pair;  // two neighbours along the sum, the first in the lower half

static inline __m512i halves(__m512 numbers) {
  return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(numbers));
}

// (k, j) and (k + 1, j) as pairs (k / 2, j): of matrices whose numbers of one k lie side by side
static void pack_rows(Matrix m, int64_t deep, int64_t wide, Pair* to, int64_t down) {
  for (int64_t k = 0; k < deep; k += 2)
    for (int64_t j = 0; j < wide; j += LANES) {
      __mmask16 some = wide - j < LANES ? (1u << (wide - j)) - 1 : 0xffff;
      const float* at = m.at + k * m.down + j;
      __m512 next = k + 1 < deep ? _mm512_maskz_loadu_ps(some, at + m.down) : _mm512_setzero_ps();
      __m512i low = halves(_mm512_maskz_loadu_ps(some, at)), high = halves(next);
      _mm512_storeu_si512(to + k / 2 * down + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

// sixteen rows of sixteen to columns
static inline void turn(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// of up to 32 numbers
static inline __m512i pairs(const float* at, int64_t count) {
  auto some = [](int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); };
  __m512 low = _mm512_maskz_loadu_ps(some(count), at);
  __m512 high = _mm512_maskz_loadu_ps(some(count - 16), at + 16);
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// the same of matrices whose numbers of one j lie side by side
static void pack_columns(Matrix m, int64_t deep, int64_t wide, Pair* to, int64_t down) {
  for (int64_t k = 0; k < deep; k += 32)
    for (int64_t j = 0; j < wide; j += LANES) {
      __m512i r[16];
      for (int i = 0; i < 16; i++)
        r[i] = pairs(m.at + (j + i) * m.along + k, j + i < wide ? deep - k : 0);
      turn(r);
      for (int i = 0; i < 16 && k + 2 * i < deep; i++)
        _mm512_storeu_si512(to + (k / 2 + i) * down + j, r[i]);
    }
}

static void pack(Matrix m, int64_t deep, int64_t wide, Pair* to, int64_t down) {
  if (m.along == 1) return pack_rows(m, deep, wide, to, down);
  pack_columns(m, deep, wide, to, down);
}

template <int ROWS, int VECTORS>
static inline __attribute__((always_inline)) void tile(
    const Pair* a, int64_t a_down, const Pair* b, int64_t b_down, int64_t pairs, float* out,
    int64_t down, __mmask16 last, bool further) {
  __m512 sums[ROWS][VECTORS];
  for (auto& row : sums)
    for (auto& sum : row) sum = _mm512_setzero_ps();
  for (int64_t k = 0; k < pairs; k++) {
    __m512bh right[VECTORS];
    for (int j = 0; j < VECTORS; j++)
      right[j] = (__m512bh)_mm512_loadu_si512(b + k * b_down + j * LANES);
    for (int i = 0; i < ROWS; i++) {
      __m512bh left = (__m512bh)_mm512_set1_epi32(a[k * a_down + i]);
      for (int j = 0; j < VECTORS; j++)
        sums[i][j] = _mm512_dpbf16_ps(sums[i][j], left, right[j]);
    }
  }
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < VECTORS; j++) {
      __mmask16 some = j == VECTORS - 1 ? last : 0xffff;
      float* place = out + i * down + j * LANES;
      __m512 sum = sums[i][j];
      if (further) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(some, place));
      _mm512_mask_storeu_ps(place, some, sum);
    }
}

template <int VECTORS>
static inline __attribute__((always_inline)) void columns(
    const Pair* a, int64_t a_down, const Pair* b, int64_t b_down, int64_t pairs, float* out,
    int64_t high, int64_t down, __mmask16 last, bool further) {
  int64_t i = 0;
  for (; i + TALL <= high; i += TALL)
    tile<TALL, VECTORS>(a + i, a_down, b, b_down, pairs, out + i * down, down, last, further);
  for (; i < high; i++)
    tile<1, VECTORS>(a + i, a_down, b, b_down, pairs, out + i * down, down, last, further);
}

static void product(
    Matrix a, Matrix b, float* out, int64_t down, int64_t high, int64_t inner, int64_t wide) {
  int64_t most = std::min(DEEP, inner) / 2 + 1, full = (wide + LANES - 1) / LANES * LANES;
  std::vector<Pair> left(most * (HIGH + LANES)), right(most * full);
  for (int64_t from = 0; from < inner; from += DEEP) {
    int64_t deep = std::min(DEEP, inner - from), pairs = (deep + 1) / 2;
    pack({b.at + from * b.down, b.down, b.along}, deep, wide, right.data(), full);
    for (int64_t top = 0; top < high; top += HIGH) {
      int64_t rows = std::min(HIGH, high - top), across = (rows + LANES - 1) / LANES * LANES;
      Matrix turned = {a.at + top * a.down + from * a.along, a.along, a.down};
      pack(turned, deep, rows, left.data(), across);
      float* to = out + top * down;
      int64_t j = 0;
      for (; j + 2 * LANES <= wide; j += 2 * LANES)
        columns<2>(left.data(), across, right.data() + j, full, pairs, to + j, rows, down, 0xffff,
                   from > 0);
      for (; j < wide; j += LANES)
        columns<1>(left.data(), across, right.data() + j, full, pairs, to + j, rows, down,
                   wide - j < LANES ? (1u << (wide - j)) - 1 : 0xffff, from > 0);
    }
  }
}
"""
"""C++ of a product of two matrices of any strides, as that of `products`."""


def multiplied(first: Tensor, second: Tensor) -> Tensor:
    """(row, a, k) @ (row, k, b) of single-precision matrices on a processor, of any strides, each
    number rounded to bfloat16 before it is multiplied; sums in single precision.

    A row's product does not depend on the rows beside it, nor on how many threads there are.
    """
    return product_of(PRODUCT, _side_by_side(first), _side_by_side(second))


def _side_by_side(matrices: Tensor) -> Tensor:
    """With the numbers of a row, or of a column, one after another in memory."""
    return matrices if 1 in matrices.stride()[1:] else matrices.contiguous()


@cache
def usable() -> bool:
    """Whether the processor has such products, and the kernel can be compiled."""
    try:
        multiplied(torch.ones(1, 2, 16), torch.ones(1, 16, 2))
    except CompileError:
        return False
    return True
