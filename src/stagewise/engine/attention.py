"""Attention of small models by a kernel of our own, and its gradient.

A library's fused attention is made for long texts: of 64 places it spends most of its time on
getting ready. Here the scores of one head and one sample stay in the processor's first cache.
"""

from ctypes import c_float, c_int64, c_void_p
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from stagewise.engine.machine_code import function
from stagewise.engine.products import PRODUCT

MOST = 512
"""Places up to which the scores of a head fit the processor's caches."""

ATTENTION = """
#include <cmath>
#include <cstring>

typedef int32_t Whole __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline Vector load(const float* at) { return *(const Vector*)at; }
static inline void store(float* at, Vector value) { *(Vector*)at = value; }
static inline int64_t whole(int64_t length) { return (length + LANES - 1) / LANES * LANES; }

// exp of x <= 0: 2^n times a polynomial in what is left, to two units in the last place
static inline Vector exponential(Vector x) {
  Vector low = {};
  low -= 87.0f;
  x = x < low ? low : x;
  Whole n = __builtin_convertvector(x * 1.44269504f - 0.5f, Whole);
  Vector times = __builtin_convertvector(n, Vector);
  Vector r = x - times * 0.693359375f + times * 2.12194440e-4f;
  Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Whole power = (n + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}

// numbers of one sample in one head, and room for what is made of them; all of whole vectors
struct Room {
  int64_t places, size, tall, wide;
  float scale;
  bool causal;
  std::vector<float> scores, slopes, across, beside, first, second, result;
  Room(int64_t places, int64_t size, float scale, bool causal)
      : places(places), size(size), tall(whole(places)), wide(whole(size)), scale(scale),
        causal(causal), scores(tall * tall), slopes(tall * tall), across(size * tall),
        beside(size * tall), first(tall * wide), second(tall * wide), result(LANES * wide) {}
  // places that the queries of the block from `from` on see
  int64_t seen(int64_t from) const { return causal ? std::min(places, from + LANES) : places; }
};

static void copied(Matrix m, float* to, int64_t high, int64_t wide, int64_t down, float scale) {
  for (int64_t i = 0; i < high; i++)
    for (int64_t j = 0; j < wide; j++) to[i * down + j] = scale * m.at[i * m.down + j * m.along];
}

static inline Matrix turned(Matrix m) { return {m.at, m.along, m.down}; }

// weights of attention of the queries of one block, (key, query): its softmax over keys
static void weigh(Room& room, Matrix keys, int64_t from) {
  float* p = room.scores.data() + from;
  int64_t seen = room.seen(from), down = room.tall;
  columns<1>(keys, {room.across.data() + from, down, 1}, p, seen, room.size, down, false);
  Whole lanes;
  for (int l = 0; l < LANES; l++) lanes[l] = l;
  Vector nothing = {}, highest = nothing - INFINITY;
  for (int64_t j = 0; j < seen; j++) {
    Vector x = load(p + j * down);
    if (room.causal && j > from) x = lanes >= (int32_t)(j - from) ? x : nothing - INFINITY;
    store(p + j * down, x);
    highest = x > highest ? x : highest;
  }
  Vector sum = {};
  for (int64_t j = 0; j < seen; j++) {
    Vector x = exponential(load(p + j * down) - highest);
    if (room.causal && j > from) x = lanes >= (int32_t)(j - from) ? x : nothing;
    store(p + j * down, x);
    sum += x;
  }
  Vector share = 1.0f / sum;
  for (int64_t j = 0; j < seen; j++) store(p + j * down, load(p + j * down) * share);
}

// the rows of one block of a (tall, deep) times b (deep, wide), to where they belong
static void multiplied(
    Room& room, Matrix a, const float* b, int64_t deep, int64_t from, float* out, int64_t down) {
  float* result = room.result.data();
  int64_t j = 0;
  for (; j + 2 * LANES <= room.wide; j += 2 * LANES)
    columns<2>(a, {b + j, room.wide, 1}, result + j, LANES, deep, room.wide, false);
  for (; j < room.wide; j += LANES)
    columns<1>(a, {b + j, room.wide, 1}, result + j, LANES, deep, room.wide, false);
  for (int64_t i = from; i < std::min(room.places, from + LANES); i++)
    for (int64_t n = 0; n < room.size; n++)
      out[i * down + n] = result[(i - from) * room.wide + n];
}

static void attend(Room& room, Matrix q, Matrix k, Matrix v, float* out, int64_t down) {
  int64_t places = room.places, size = room.size;
  copied(turned(q), room.across.data(), size, places, room.tall, room.scale);
  copied(v, room.first.data(), places, size, room.wide, 1);
  for (int64_t from = 0; from < places; from += LANES) {
    weigh(room, k, from);
    const float* p = room.scores.data() + from;
    multiplied(room, {p, 1, room.tall}, room.first.data(), room.seen(from), from, out, down);
  }
}

static void attend_back(
    Room& room, Matrix q, Matrix k, Matrix v, Matrix d, float* dq, float* dk, float* dv,
    int64_t down) {
  int64_t places = room.places, size = room.size, tall = room.tall;
  float *p = room.scores.data(), *g = room.slopes.data();
  float *first = room.first.data(), *second = room.second.data();
  copied(turned(q), room.across.data(), size, places, tall, room.scale);
  copied(turned(d), room.beside.data(), size, places, tall, 1);
  copied(k, first, places, size, room.wide, 1);
  for (int64_t from = 0; from < places; from += LANES) {
    weigh(room, k, from);
    int64_t seen = room.seen(from);
    columns<1>(v, {room.beside.data() + from, tall, 1}, g + from, seen, size, tall, false);
    Vector sum = {};
    for (int64_t j = 0; j < seen; j++)
      sum += load(g + j * tall + from) * load(p + j * tall + from);
    for (int64_t j = 0; j < seen; j++) {
      float* at = g + j * tall + from;
      store(at, (load(at) - sum) * load(p + j * tall + from) * room.scale);
    }
    multiplied(room, {g + from, 1, tall}, first, seen, from, dq, down);
  }
  copied(q, first, places, size, room.wide, 1);
  copied(d, second, places, size, room.wide, 1);
  for (int64_t from = 0; from < places; from += LANES) {
    int64_t start = room.causal ? from : 0, deep = places - start;
    int64_t at = from * tall + start, b = start * room.wide;
    multiplied(room, {g + at, tall, 1}, first + b, deep, from, dk, down);
    multiplied(room, {p + at, tall, 1}, second + b, deep, from, dv, down);
  }
}

struct Heads {
  const float* at;
  int64_t sample, head, place;
  Heads(const float* at, const int64_t* strides)
      : at(at), sample(strides[0]), head(strides[1]), place(strides[2]) {}
  Matrix of(int64_t s, int64_t h) const { return {at + s * sample + h * head, place, 1}; }
};

extern "C" void forward(
    const float* query, const float* key, const float* value, float* out, const int64_t* strides,
    int64_t samples, int64_t heads, int64_t places, int64_t size, float scale, int64_t causal,
    int64_t threads) {
  Heads q(query, strides), k(key, strides + 3), v(value, strides + 6);
  #pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Room room(places, size, scale, causal);
    #pragma omp for collapse(2)
    for (int64_t s = 0; s < samples; s++)
      for (int64_t h = 0; h < heads; h++)
        attend(room, q.of(s, h), k.of(s, h), v.of(s, h), out + (s * places * heads + h) * size,
               heads * size);
  }
}

extern "C" void backward(
    const float* query, const float* key, const float* value, const float* slope, float* d_query,
    float* d_key, float* d_value, const int64_t* strides, int64_t samples, int64_t heads,
    int64_t places, int64_t size, float scale, int64_t causal, int64_t threads) {
  Heads q(query, strides), k(key, strides + 3), v(value, strides + 6), d(slope, strides + 9);
  #pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Room room(places, size, scale, causal);
    #pragma omp for collapse(2)
    for (int64_t s = 0; s < samples; s++)
      for (int64_t h = 0; h < heads; h++) {
        int64_t at = (s * places * heads + h) * size;
        attend_back(room, q.of(s, h), k.of(s, h), v.of(s, h), d.of(s, h), d_query + at,
                    d_key + at, d_value + at, heads * size);
      }
  }
}
"""


def suits(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernel is the faster one: queries, keys and values (sample, head, place, size) in
    single precision on a processor, of few places."""
    alike = query.shape == key.shape == value.shape and query.dim() == 4
    single = all(t.dtype == torch.float32 for t in (query, key, value))
    return alike and single and query.device.type == "cpu" and 1 < query.shape[2] <= MOST


SIZES = (c_int64, c_int64, c_int64, c_int64, c_float, c_int64, c_int64)


def _run(name: str, read: list[Tensor], written: list[Tensor], causal: bool, scale: float) -> None:
    """The kernel of that name on tensors (sample, head, place, size) that are read, and (sample,
    place, head, size) that are written."""
    kernel = function(PRODUCT + ATTENTION, name, (c_void_p,) * (len(read + written) + 1) + SIZES)
    strides = [stride for tensor in read for stride in tensor.stride()[:3]]
    kernel(
        *(tensor.data_ptr() for tensor in read + written),
        (c_int64 * len(strides))(*strides),
        *read[0].shape,
        scale,
        int(causal),
        torch.get_num_threads(),
    )


def _results(like: Tensor, count: int) -> list[Tensor]:
    samples, heads, places, size = like.shape
    return [like.new_empty(samples, places, heads, size) for _ in range(count)]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float
    ) -> Tensor:
        given = [_by_number(tensor) for tensor in (query, key, value)]
        context.save_for_backward(*given)
        context.settings = causal, scale
        found = _results(query, 1)
        _run("forward", given, found, causal, scale)
        return found[0].transpose(1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        given = [*context.saved_tensors, _by_number(slopes[0])]
        found = _results(given[0], 3)
        _run("backward", given, found, *context.settings)
        return *(tensor.transpose(1, 2) for tensor in found), None, None


def _by_number(tensor: Tensor) -> Tensor:
    """With the numbers of one head and place side by side."""
    return tensor if tensor.stride(3) == 1 else tensor.contiguous()


def attention(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float | None = None
) -> Tensor:
    """softmax(scale q k^T) v, (sample, head, place, size) from three of that shape.

    With `causal` a place sees itself and what comes before it; `scale` is one over the square root
    of the size by default. Can be differentiated once.
    """
    if scale is None:
        scale = 1 / sqrt(query.shape[-1])
    found: Tensor = _Attention.apply(query, key, value, causal, scale)
    return found
