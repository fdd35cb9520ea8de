"""C++ of attention of one head and one sample at a time, and of its gradient.

Scores lie as (key, query), so that a vector holds the same key's for several queries: softmaxes
over keys need nothing across a vector.
"""

from stagewise.engine.products import PRODUCT
from stagewise.engine.vectors import VECTORS

ATTENTION = (
    PRODUCT
    + VECTORS
    + """
// numbers of one sample in one head, and room for what is made of them; all of whole vectors
template <int SIZE>
struct Room {
  int64_t places, any_size, tall, wide;
  float scale;
  bool causal;
  std::vector<float> scores, slopes, across, beside, first, second, result, rows;
  Room(int64_t places, int64_t size, float scale, bool causal)
      : places(places), any_size(size), tall(whole(places)), wide(whole(size)), scale(scale),
        causal(causal), scores(tall * tall), slopes(tall * tall), across(wide * tall),
        beside(wide * tall), first(tall * wide), second(tall * wide), result(LANES * wide),
        rows(LANES * wide) {}
  // known while compiling for usual ones
  int64_t size() const { return SIZE ? SIZE : any_size; }
  // places that the queries of the block from `from` on see, and those that all of them see
  int64_t seen(int64_t from) const { return causal ? std::min(places, from + LANES) : places; }
  int64_t by_all(int64_t from) const { return causal ? std::min(places, from + 1) : places; }
};

static inline Matrix turned(Matrix m) { return {m.at, m.along, m.down}; }

// (place, number), with zeros behind
template <int SIZE>
static void laid_beside(const Room<SIZE>& room, Matrix m, float* to) {
  for (int64_t i = 0; i < room.places; i++)
    std::copy_n(m.at + i * m.down, room.size(), to + i * room.wide);
}

// of that: (number, place), times `scale`
template <int SIZE>
static void laid_across(const Room<SIZE>& room, const float* beside, float* to, float scale) {
  for (int64_t i = 0; i < room.tall; i += LANES)
    for (int64_t n = 0; n < room.size(); n += LANES)
      transposed(beside + i * room.wide + n, room.wide, to + n * room.tall + i, room.tall, scale);
}

static inline Whole behind(int64_t apart) {
  Whole lanes;
  for (int l = 0; l < LANES; l++) lanes[l] = l;
  return lanes >= (int32_t)apart;
}

// scores of the queries of one block, (key, query), in units of log 2
template <int SIZE>
static void score(Room<SIZE>& room, Matrix keys, int64_t from) {
  columns<1>(
      keys, {room.across.data() + from, room.tall, 1}, room.scores.data() + from, room.seen(from),
      room.size(), room.tall, false);
}

struct Norm { Vector logarithm, share; };

// of the softmax over keys of the scores of one block, which become 2^(score - highest)
template <int SIZE>
static Norm weigh(Room<SIZE>& room, int64_t from) {
  float* p = room.scores.data() + from;
  int64_t seen = room.seen(from), by_all = room.by_all(from), down = room.tall;
  Vector nothing = {}, highest = nothing - INFINITY, sum = {};
  for (int64_t j = 0; j < by_all; j++) {
    Vector x = load(p + j * down);
    highest = x > highest ? x : highest;
  }
  for (int64_t j = by_all; j < seen; j++) {
    Vector x = behind(j - from) ? load(p + j * down) : highest;
    highest = x > highest ? x : highest;
  }
  for (int64_t j = 0; j < by_all; j++) {
    Vector x = power(load(p + j * down) - highest);
    store(p + j * down, x);
    sum += x;
  }
  for (int64_t j = by_all; j < seen; j++) {
    Vector x = behind(j - from) ? power(load(p + j * down) - highest) : nothing;
    store(p + j * down, x);
    sum += x;
  }
  return {highest + log2(sum), 1.0f / sum};
}

// rows (place of one block, number) to where they belong
template <int SIZE>
static void laid_out(
    const Room<SIZE>& room, const float* rows, int64_t from, float* out, int64_t down) {
  int64_t places = std::min<int64_t>(LANES, room.places - from);
  for (int64_t i = 0; i < places; i++)
    std::copy_n(rows + i * room.wide, room.size(), out + (from + i) * down);
}

// sums over keys of (key, query of one block) times (key, number), times something
template <int SIZE>
static void summed(
    Room<SIZE>& room, const float* p, Matrix m, Vector times, int64_t from, float* out,
    int64_t down) {
  float *result = room.result.data(), *rows = room.rows.data();
  columns<1>(
      turned(m), {p + from, room.tall, 1}, result, room.size(), room.seen(from), LANES, false);
  for (int64_t n = 0; n < room.size(); n++)
    store(result + n * LANES, load(result + n * LANES) * times);
  for (int64_t n = 0; n < room.size(); n += LANES)
    transposed(result + n * LANES, LANES, rows + n, room.wide, 1);
  laid_out(room, rows, from, out, down);
}

template <int SIZE>
static void attend(
    Room<SIZE>& room, Matrix q, Matrix k, Matrix v, float* out, int64_t down, float* norms) {
  laid_beside(room, q, room.first.data());
  laid_across(room, room.first.data(), room.across.data(), room.scale * 1.44269504f);
  for (int64_t from = 0; from < room.places; from += LANES) {
    score(room, k, from);
    Norm norm = weigh(room, from);
    norm.logarithm *= 0.693147181f;
    std::copy_n((const float*)&norm.logarithm, std::min<int64_t>(LANES, room.places - from),
                norms + from);
    summed(room, room.scores.data(), v, norm.share, from, out, down);
  }
}

// the rows of one block of a (tall, deep) times b (deep, wide), to where they belong
template <int SIZE>
static void multiplied(
    Room<SIZE>& room, Matrix a, const float* b, int64_t deep, int64_t from, float* out,
    int64_t down) {
  float* result = room.result.data();
  int64_t j = 0;
  for (; j + 2 * LANES <= room.wide; j += 2 * LANES)
    columns<2>(a, {b + j, room.wide, 1}, result + j, LANES, deep, room.wide, false);
  for (; j < room.wide; j += LANES)
    columns<1>(a, {b + j, room.wide, 1}, result + j, LANES, deep, room.wide, false);
  laid_out(room, result, from, out, down);
}

template <int SIZE>
static void attend_back(
    Room<SIZE>& room, Matrix q, Matrix k, Matrix v, Matrix d, const float* norms, float* dq,
    float* dk, float* dv, int64_t down) {
  int64_t places = room.places, tall = room.tall;
  float *p = room.scores.data(), *g = room.slopes.data();
  float *first = room.first.data(), *second = room.second.data();
  Vector nothing = {}, one = nothing + 1.0f;
  laid_beside(room, q, first);
  laid_beside(room, d, second);
  laid_across(room, first, room.across.data(), room.scale * 1.44269504f);
  laid_across(room, second, room.beside.data(), 1);
  for (int64_t from = 0; from < places; from += LANES) {
    int64_t seen = room.seen(from), by_all = room.by_all(from);
    score(room, k, from);
    columns<1>(v, {room.beside.data() + from, tall, 1}, g + from, seen, room.size(), tall, false);
    Vector norm = {}, sum = {};
    std::copy_n(norms + from, std::min<int64_t>(LANES, places - from), (float*)&norm);
    norm *= 1.44269504f;
    for (int64_t j = 0; j < seen; j++) {
      float* at = p + j * tall + from;
      Vector x = power(load(at) - norm);
      if (j >= by_all) x = behind(j - from) ? x : nothing;
      store(at, x);
      sum += load(g + j * tall + from) * x;
    }
    for (int64_t j = 0; j < seen; j++) {
      float* at = g + j * tall + from;
      store(at, (load(at) - sum) * load(p + j * tall + from) * room.scale);
    }
    summed(room, g, k, one, from, dq, down);
  }
  for (int64_t from = 0; from < places; from += LANES) {
    int64_t start = room.causal ? from : 0, deep = places - start;
    int64_t at = from * tall + start, b = start * room.wide;
    multiplied(room, {g + at, tall, 1}, first + b, deep, from, dk, down);
    multiplied(room, {p + at, tall, 1}, second + b, deep, from, dv, down);
  }
}

// tensor (sample, head, place, number)
struct Heads {
  const float* at;
  int64_t sample, head, place;
  Heads(const float* at, const int64_t* strides)
      : at(at), sample(strides[0]), head(strides[1]), place(strides[2]) {}
  // of one head of a sample, counted through all samples
  Matrix of(int64_t number, int64_t heads) const {
    return {at + number / heads * sample + number % heads * head, place, 1};
  }
};

// asks for what will be read next: the processor does not foresee rows that lie apart
static inline void fetch(Matrix m, int64_t places, int64_t size) {
  constexpr int64_t LINE = 64 / sizeof(float);
  for (int64_t i = 0; i < places; i++)
    for (int64_t n = 0; n < size; n += LINE) __builtin_prefetch(m.at + i * m.down + n, 0, 2);
}

template <int SIZE>
static void all_forward(
    Heads q, Heads k, Heads v, float* out, float* norms, int64_t samples, int64_t heads,
    int64_t places, int64_t size, float scale, int64_t causal, int64_t threads) {
  int64_t count = samples * heads;
  #pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Room<SIZE> room(places, size, scale, causal);
    #pragma omp for
    for (int64_t i = 0; i < count; i++) {
      if (i + 1 < count)
        for (Heads each : {q, k, v}) fetch(each.of(i + 1, heads), places, size);
      int64_t at = (i / heads * places * heads + i % heads) * size;
      attend(room, q.of(i, heads), k.of(i, heads), v.of(i, heads), out + at, heads * size,
             norms + i * places);
    }
  }
}

template <int SIZE>
static void all_backward(
    Heads q, Heads k, Heads v, Heads d, float* dq, float* dk, float* dv, const float* norms,
    int64_t samples, int64_t heads, int64_t places, int64_t size, float scale, int64_t causal,
    int64_t threads) {
  int64_t count = samples * heads;
  #pragma omp parallel num_threads(threads) if (threads > 1)
  {
    Room<SIZE> room(places, size, scale, causal);
    #pragma omp for
    for (int64_t i = 0; i < count; i++) {
      if (i + 1 < count)
        for (Heads each : {q, k, v, d}) fetch(each.of(i + 1, heads), places, size);
      int64_t at = (i / heads * places * heads + i % heads) * size;
      attend_back(room, q.of(i, heads), k.of(i, heads), v.of(i, heads), d.of(i, heads),
                  norms + i * places, dq + at, dk + at, dv + at, heads * size);
    }
  }
}

extern "C" void forward(
    const float* query, const float* key, const float* value, float* out, float* norms,
    const int64_t* strides, int64_t samples, int64_t heads, int64_t places, int64_t size,
    float scale, int64_t causal, int64_t threads) {
  auto run = size == 8 ? all_forward<8> : size == 16 ? all_forward<16> : all_forward<0>;
  run({query, strides}, {key, strides + 3}, {value, strides + 6}, out, norms, samples, heads,
      places, size, scale, causal, threads);
}

extern "C" void backward(
    const float* query, const float* key, const float* value, const float* slope, float* d_query,
    float* d_key, float* d_value, const float* norms, const int64_t* strides, int64_t samples,
    int64_t heads, int64_t places, int64_t size, float scale, int64_t causal, int64_t threads) {
  auto run = size == 8 ? all_backward<8> : size == 16 ? all_backward<16> : all_backward<0>;
  run({query, strides}, {key, strides + 3}, {value, strides + 6}, {slope, strides + 9}, d_query,
      d_key, d_value, norms, samples, heads, places, size, scale, causal, threads);
}
"""
)
