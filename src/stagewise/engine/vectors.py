"""C++ of what is done with vectors of numbers, as `products` defines them: powers and logarithms,
and to turn a square of them."""

VECTORS = """
#include <cmath>
#include <cstring>

typedef int32_t Whole __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline Vector load(const float* at) { return *(const Vector*)at; }
static inline void store(float* at, Vector value) { *(Vector*)at = value; }
static inline int64_t whole(int64_t length) { return (length + LANES - 1) / LANES * LANES; }

// 2^x of x <= 0: 2^n times a polynomial in what is left, to two units in the last place
static inline Vector power(Vector x) {
  Vector low = {};
  low -= 126.0f;
  x = x < low ? low : x;
  Whole n = __builtin_convertvector(x - 0.5f, Whole);
  Vector r = x - __builtin_convertvector(n, Vector);
  Vector p = r * 1.535336188319500e-4f + 1.339887440266574e-3f;
  p = p * r + 9.618437357674640e-3f;
  p = p * r + 5.550332471162809e-2f;
  p = p * r + 2.402264791363012e-1f;
  p = p * r + 6.931472028550421e-1f;
  p = p * r + 1.0f;
  Whole exponent = (n + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &exponent, sizeof(scale));
  return p * scale;
}

// log 2 of x >= 1: its exponent, and a polynomial in what is left of it; of what is not a number,
// not a number
static inline Vector log2(Vector x) {
  Whole bits;
  std::memcpy(&bits, &x, sizeof(bits));
  Whole exponent = ((bits - 0x3f3504f3) >> 23);
  bits -= exponent << 23;
  Vector m;
  std::memcpy(&m, &bits, sizeof(m));
  m -= 1.0f;
  Vector square = m * m, y = m * 7.0376836292e-2f - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  Vector natural = y * m * square - square * 0.5f + m;
  return __builtin_convertvector(exponent, Vector) + natural * 1.44269504f + (x - x);
}

// columns of rows that are `interleaved` so often as doubling gives LANES
static inline __attribute__((always_inline)) void interleaved(
    Vector a, Vector b, Vector& low, Vector& high) {
#if defined(__clang__)
  for (int l = 0; l < LANES; l++) {
    low[l] = l % 2 ? b[l / 2] : a[l / 2];
    high[l] = l % 2 ? b[(l + LANES) / 2] : a[(l + LANES) / 2];
  }
#else
  Whole first, second;
  for (int l = 0; l < LANES; l++) {
    first[l] = l / 2 + l % 2 * LANES;
    second[l] = first[l] + LANES / 2;
  }
  low = __builtin_shuffle(a, b, first);
  high = __builtin_shuffle(a, b, second);
#endif
}

// LANES by LANES numbers, times `scale`
static void transposed(const float* from, int64_t down, float* to, int64_t to_down, float scale) {
  Vector rows[LANES], next[LANES];
  for (int i = 0; i < LANES; i++) rows[i] = load(from + i * down) * scale;
  for (int made = 1; made < LANES; made *= 2) {
    for (int i = 0; i < LANES / 2; i++)
      interleaved(rows[i], rows[i + LANES / 2], next[2 * i], next[2 * i + 1]);
    std::copy_n(next, LANES, rows);
  }
  for (int i = 0; i < LANES; i++) store(to + i * to_down, rows[i]);
}
"""
