"""Layer norms of small models by a kernel of our own, and their gradients.

torch sums each row across a vector; here sums of as many rows as a vector has numbers are turned
and then added once for all.
"""

from ctypes import c_float, c_int64, c_void_p

import torch
from torch import Tensor

from stagewise.engine.machine_code import function, run
from stagewise.engine.products import PRODUCT
from stagewise.engine.vectors import VECTORS

LEAST = 4096
"""Numbers below which getting ready takes longer than torch does."""
STEP, WIDEST = 16, 1024
"""What the width of a row is a multiple of, so that whole vectors make it up, and its limit."""

KERNEL = (
    PRODUCT
    + VECTORS
    + """
constexpr int64_t CHUNK = 64 * LANES;  // rows whose part of a sum over rows is one thread's

// of LANES vectors: the sum of each
static inline Vector added(const Vector* each) {
  Vector turned[LANES], sum = {};
  transposed((const float*)each, LANES, (float*)turned, LANES, 1);
  for (int l = 0; l < LANES; l++) sum += turned[l];
  return sum;
}

static void some_rows(
    const float* x, const float* scale, const float* shift, float* out, float* means,
    float* inverses, int64_t rows, int64_t wide, float epsilon) {
  Vector each[LANES] = {}, squares[LANES] = {}, nothing = {};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < wide; j += LANES) each[i] += load(x + i * wide + j);
  Vector mean = added(each) / (float)wide;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < wide; j += LANES) {
      Vector off = load(x + i * wide + j) - mean[i];
      squares[i] += off * off;
    }
  Vector variance = added(squares) / (float)wide + epsilon, inverse = nothing;
  for (int l = 0; l < LANES; l++) inverse[l] = 1 / std::sqrt(variance[l]);
  for (int64_t i = 0; i < rows; i++) {
    means[i] = mean[i];
    inverses[i] = inverse[i];
    for (int64_t j = 0; j < wide; j += LANES) {
      Vector normal = (load(x + i * wide + j) - mean[i]) * inverse[i];
      store(out + i * wide + j, normal * load(scale + j) + load(shift + j));
    }
  }
}

// gradient of some rows; adds to those of scale and shift
static void some_rows_back(
    const float* g, const float* x, const float* means, const float* inverses, const float* scale,
    float* dx, float* d_scale, float* d_shift, int64_t rows, int64_t wide) {
  Vector along[LANES] = {}, across[LANES] = {};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < wide; j += LANES) {
      Vector slope = load(g + i * wide + j);
      Vector normal = (load(x + i * wide + j) - means[i]) * inverses[i];
      Vector both = slope * normal;
      store(d_scale + j, load(d_scale + j) + both);
      store(d_shift + j, load(d_shift + j) + slope);
      along[i] += slope * load(scale + j);
      across[i] += both * load(scale + j);
    }
  Vector mean = added(along) / (float)wide, slant = added(across) / (float)wide;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < wide; j += LANES) {
      Vector normal = (load(x + i * wide + j) - means[i]) * inverses[i];
      Vector slope = load(g + i * wide + j) * load(scale + j);
      store(dx + i * wide + j, (slope - mean[i] - normal * slant[i]) * inverses[i]);
    }
}

extern "C" void forward(
    const float* x, const float* scale, const float* shift, float* out, float* means,
    float* inverses, int64_t rows, int64_t wide, float epsilon, int64_t threads) {
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < rows; i += LANES)
    some_rows(x + i * wide, scale, shift, out + i * wide, means + i, inverses + i,
              std::min<int64_t>(LANES, rows - i), wide, epsilon);
}

extern "C" void backward(
    const float* g, const float* x, const float* means, const float* inverses, const float* scale,
    float* dx, float* d_scale, float* d_shift, int64_t rows, int64_t wide, int64_t threads) {
  int64_t chunks = (rows + CHUNK - 1) / CHUNK;
  std::vector<float> sums(2 * chunks * wide);
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    float* own = sums.data() + 2 * chunk * wide;
    for (int64_t i = chunk * CHUNK; i < std::min(rows, (chunk + 1) * CHUNK); i += LANES)
      some_rows_back(g + i * wide, x + i * wide, means + i, inverses + i, scale, dx + i * wide,
                     own, own + wide, std::min<int64_t>(LANES, rows - i), wide);
  }
  std::fill_n(d_scale, wide, 0.0f);
  std::fill_n(d_shift, wide, 0.0f);
  for (int64_t chunk = 0; chunk < chunks; chunk++)
    for (int64_t j = 0; j < wide; j++) {
      d_scale[j] += sums[2 * chunk * wide + j];
      d_shift[j] += sums[(2 * chunk + 1) * wide + j];
    }
}
"""
)


def suits(numbers: Tensor, shape: list[int], *others: Tensor | None) -> bool:
    """Whether the kernel is the faster one: numbers (..., width), each row normed, which is the
    `shape` (width,), beside `others`, scale and shift among them, which have to be there."""
    if any(other is None for other in others) or len(shape) != 1 or numbers.shape[-1] != shape[0]:
        return False
    of_size = shape[0] % STEP == 0 and shape[0] <= WIDEST and numbers.numel() >= LEAST
    tensors = (numbers, *(other for other in others if other is not None))
    single = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)
    return of_size and single and all(tensor.is_contiguous() for tensor in tensors)


def normed(
    numbers: Tensor, scale: Tensor, shift: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / sqrt(variance + epsilon) scale + shift of rows x (..., width), and what the
    gradient needs: their means and inverse standard deviations (..., 1)."""
    wide, found = numbers.shape[-1], torch.empty_like(numbers)
    means, inverses = (numbers.new_empty(*numbers.shape[:-1], 1) for _ in range(2))
    kernel = function(KERNEL, "forward", (c_void_p,) * 6 + (c_int64, c_int64, c_float, c_int64))
    given = (numbers, scale, shift, found, means, inverses)
    rows = numbers.numel() // wide
    run(kernel, given, rows, wide, epsilon, torch.get_num_threads())
    return found, means, inverses


def gradients(
    slope: Tensor, numbers: Tensor, means: Tensor, inverses: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """For numbers, scale and shift, of what has the gradient `slope` for the first result of
    `normed`, whose others are `means` and `inverses`.

    They do not depend on how many threads there are.
    """
    wide, found = numbers.shape[-1], torch.empty_like(numbers)
    of_scale, of_shift = torch.empty_like(scale), torch.empty_like(scale)
    kernel = function(KERNEL, "backward", (c_void_p,) * 8 + (c_int64,) * 3)
    given = (slope, numbers, means, inverses, scale, found, of_scale, of_shift)
    rows = numbers.numel() // wide
    run(kernel, given, rows, wide, torch.get_num_threads())
    return found, of_scale, of_shift
