"""Numbers of torch's random generators, the same bits, by a kernel of our own in a quarter of the
time.

torch's generator is the Mersenne twister MT19937 (Matsumoto and Nishimura 1998), which it advances
one number at a time; here 624 are made at once. Normals are those of Box and Muller, sixteen from
eight radii and eight angles, their logarithm, sine and cosine by the polynomials of Cephes, as in
torch. Whether all of that is still so is looked at before the kernel is used: where torch's numbers
are other ones (another version, another processor), torch draws them.
"""

import logging
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor

from stagewise.engine.machine_code import function, uncompiled

log = logging.getLogger("stagewise")

ENOUGH = 30_000_000
"""Numbers that a process draws by torch before it loads the kernel: as long as that takes."""
LARGEST = 1 << 28
"""Indices are below it: for others torch takes two words each."""
SHORTEST = 16
"""Fewer normals torch draws in another way."""

KERNEL = """
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

constexpr int WORDS = 624, APART = 397;

static inline uint32_t mixed(uint32_t first, uint32_t second) {
  uint32_t word = (first & 0x80000000u) | (second & 0x7fffffffu);
  return (word >> 1) ^ (-(second & 1u) & 0x9908b0dfu);
}

static inline uint32_t tempered(uint32_t word) {
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680u;
  word ^= (word << 15) & 0xefc60000u;
  return word ^ (word >> 18);
}

// a generator where torch's state of it (bytes) says, which is brought up to date at the end
struct Twister {
  unsigned char* state;
  uint32_t words[WORDS];
  int64_t next, left;

  explicit Twister(unsigned char* state) : state(state) {
    int32_t counted;
    uint64_t place, word;
    std::memcpy(&counted, state + 8, sizeof counted);
    std::memcpy(&place, state + 16, sizeof place);
    left = counted - 1;
    next = place;
    for (int i = 0; i < WORDS; i++) {
      std::memcpy(&word, state + 24 + 8 * i, sizeof word);
      words[i] = word;
    }
  }

  ~Twister() {
    int32_t counted = left + 1;
    uint64_t place = next, word;
    std::memcpy(state + 8, &counted, sizeof counted);
    std::memcpy(state + 16, &place, sizeof place);
    for (int i = 0; i < WORDS; i++) {
      word = words[i];
      std::memcpy(state + 24 + 8 * i, &word, sizeof word);
    }
  }

  void regenerate() {
    constexpr int TURN = WORDS - APART;
    for (int i = 0; i < TURN; i++) words[i] = words[i + APART] ^ mixed(words[i], words[i + 1]);
    for (int i = TURN; i < WORDS - 1; i++)
      words[i] = words[i - TURN] ^ mixed(words[i], words[i + 1]);
    words[WORDS - 1] = words[APART - 1] ^ mixed(words[WORDS - 1], words[0]);
    next = 0;
    left = WORDS;
  }

  template <class Number, class Made>
  void draw(Number* out, int64_t count, Made made) {
    for (int64_t done = 0; done < count;) {
      if (left == 0) regenerate();
      int64_t now = std::min(left, count - done);
      for (int64_t i = 0; i < now; i++) out[done + i] = made(tempered(words[next + i]));
      done += now;
      next += now;
      left -= now;
    }
  }
};

static inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t as_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// of a number above 0
static inline __attribute__((always_inline)) float logarithm(float value) {
  uint32_t bits = as_bits(std::max(value, 1.17549435e-38f));
  float exponent = (float)((int32_t)(bits >> 23) - 127) + 1.0f;
  float x = as_float((bits & ~0x7f800000u) | 0x3f000000u);
  bool low = x < 0.707106781186547524f;
  float once_more = low ? x : 0.0f;
  x -= 1.0f;
  exponent -= low ? 1.0f : 0.0f;
  x += once_more;
  float square = x * x;
  float y = 7.0376836292e-2f;
  y = y * x + -1.1514610310e-1f;
  y = y * x + 1.1676998740e-1f;
  y = y * x + -1.2420140846e-1f;
  y = y * x + 1.4249322787e-1f;
  y = y * x + -1.6668057665e-1f;
  y = y * x + 2.0000714765e-1f;
  y = y * x + -2.4999993993e-1f;
  y = y * x + 3.3333331174e-1f;
  y = y * x;
  y = y * square;
  y = y + exponent * -2.12194440e-4f;
  y = y - square * 0.5f;
  x = x + y;
  return x + exponent * 0.693359375f;
}

// of an angle from 0
static inline __attribute__((always_inline)) void turned(float angle, float& sine, float& cosine) {
  int32_t octant = ((int32_t)(angle * 1.27323954473516f) + 1) & ~1;
  float turns = (float)octant, x = angle;
  x = x + turns * -0.78515625f;
  x = x + turns * -2.4187564849853515625e-4f;
  x = x + turns * -3.77489497744594108e-8f;
  float square = x * x;
  float c = 2.443315711809948e-5f;
  c = c * square + -1.388731625493765e-3f;
  c = c * square + 4.166664568298827e-2f;
  c = c * square;
  c = c * square;
  c = c - square * 0.5f;
  c = c + 1.0f;
  float s = -1.9515295891e-4f;
  s = s * square + 8.3321608736e-3f;
  s = s * square + -1.6666654611e-1f;
  s = s * square;
  s = s * x + x;
  bool swapped = octant & 2;
  sine = as_float(as_bits(swapped ? c : s) ^ (uint32_t)(octant & 4) << 29);
  cosine = as_float(as_bits(swapped ? s : c) ^ (uint32_t)(~(octant - 2) & 4) << 29);
}

static void uniform_to_normal(float* numbers, int64_t count) {
  for (float* end = numbers + count; numbers < end; numbers += 16)
    for (int i = 0; i < 8; i++) {
      float radius = std::sqrt(-2.0f * logarithm(1.0f - numbers[i])), sine, cosine;
      turned(6.283185307179586f * numbers[i + 8], sine, cosine);
      numbers[i] = radius * cosine;
      numbers[i + 8] = radius * sine;
    }
}

// what one generator draws next
static void some_normals(unsigned char* state, float* out, int64_t count, int64_t threads) {
  Twister twister(state);
  int64_t even = count / 16 * 16, share = (even / 16 + threads - 1) / threads * 16;
  auto uniform = [](uint32_t word) { return (float)(word & 0xffffff) * 0x1p-24f; };
  twister.draw(out, count, uniform);
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t from = 0; from < even; from += share)
    uniform_to_normal(out + from, std::min(share, even - from));
  if (count % 16) {
    twister.draw(out + count - 16, 16, uniform);
    uniform_to_normal(out + count - 16, 16);
  }
}

// of each generator so many steps with so many numbers: (step, row, number)
extern "C" void normals(
    unsigned char** states, float* out, int64_t rows, int64_t steps, int64_t size,
    int64_t threads) {
  if (rows == 1) return some_normals(states[0], out, steps * size, threads);
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t row = 0; row < rows; row++) {
    std::vector<float> made(steps * size);
    some_normals(states[row], made.data(), steps * size, 1);
    for (int64_t step = 0; step < steps; step++)
      std::copy_n(made.data() + step * size, size, out + (step * rows + row) * size);
  }
}

extern "C" void indices(
    unsigned char** states, int64_t* out, int64_t rows, int64_t steps, int64_t size,
    int64_t threads, int64_t below) {
  const uint32_t many = below;
  const double inverse = 1.0 / many;
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t row = 0; row < rows; row++) {
    Twister twister(states[row]);
    for (int64_t step = 0; step < steps; step++)
      twister.draw(out + (step * rows + row) * size, size, [=](uint32_t word) {
        // the quotient may be one too large
        uint32_t rest = word - (uint32_t)(word * inverse) * many;
        return (int64_t)(rest < many ? rest : rest + many);
      });
  }
}
"""


@dataclass
class _Drawn:
    numbers: int = 0


_drawn = _Drawn()


def repays(numbers: int) -> bool:
    """Whether the kernel can be had, and this process draws enough numbers, so many more now, for
    it to be worth loading."""
    _drawn.numbers += numbers
    return _drawn.numbers > ENOUGH and usable()


@cache
def usable() -> bool:
    """Whether the kernel can be compiled and its numbers are torch's."""
    own, theirs = (torch.Generator().manual_seed(1) for _ in range(2))
    made = torch.empty(71, 1, 281), torch.empty(71, 1, 281, dtype=torch.int64)
    expected = tuple(torch.empty(71, 281, dtype=block.dtype) for block in made)
    try:
        normals([own], made[0])
        indices([own], made[1], 1_000)
    except Exception as error:
        # whatever a compiler can fail with: torch has its own
        log.warning("%s: torch's generator is used", uncompiled(error))
        return False
    expected[0].normal_(generator=theirs)
    expected[1].random_(1_000, generator=theirs)
    same = all(torch.equal(m[:, 0], e) for m, e in zip(made, expected, strict=True))
    if not same:
        log.info("torch's random numbers are not those of our kernel: torch draws them")
    return same and torch.equal(own.get_state(), theirs.get_state())


def normals(generators: Sequence[Generator], out: Tensor, threads: int = 1) -> None:
    """Fills `out` (step, row, number) with standard normals in single precision, at least 16 a
    row: what `normal_` would draw for (step, number), each row from its own generator."""
    _filled("normals", torch.float32, generators, out, threads)


def indices(generators: Sequence[Generator], out: Tensor, below: int, threads: int = 1) -> None:
    """Fills `out` (step, row, number) with indices below that: what `random_` would draw."""
    _filled("indices", torch.int64, generators, out, threads, below)


def _filled(
    name: str,
    kind: torch.dtype,
    generators: Sequence[Generator],
    out: Tensor,
    threads: int,
    *further: int,
) -> None:
    steps, rows, size = out.shape
    states = [generator.get_state() for generator in generators]
    if out.dtype != kind or not out.is_contiguous() or rows != len(states):
        raise ValueError(f"{name}: {kind} without gaps, a row for each generator")
    kernel = function(KERNEL, name, (c_void_p,) * 2 + (c_int64,) * (4 + len(further)))
    places = (c_void_p * rows)(*[state.data_ptr() for state in states])
    kernel(places, out.data_ptr(), rows, steps, size, threads, *further)
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
