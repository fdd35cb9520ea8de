"""A step of Langevin dynamics by a kernel of our own, with the numbers of torch's operations.

torch makes it of eleven operations, each of which goes over all weights; here they are read once.
"""

import logging
from ctypes import c_int64, c_void_p
from functools import cache

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from stagewise.engine.machine_code import function, run, uncompiled
from stagewise.samplers.target import Target, langevin

log = logging.getLogger("stagewise")

ENOUGH = 1 << 24
"""Numbers that a process has moved before loading the kernel is worth it."""
MANY = 1 << 17
"""Numbers that are moved by as many threads as torch has."""

KERNEL = """
#include <cstdint>

// rounded after every operation, as torch's are
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

extern "C" void moved(
    const float* position, const float* gradient, const float* noise, const float* centre,
    const float* mask, const float* nbeta, const float* localization, const float* halves,
    const float* spreads, float* out, int64_t rows, int64_t wide, int64_t threads) {
  #pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t row = 0; row < rows; row++) {
    const int64_t at = row * wide;
    const float tempered = nbeta[row], tether = localization[row];
    const float half = halves[row], spread = spreads[row];
    for (int64_t i = at; i < at + wide; i++) {
      float pull = tether * (position[i] - centre[i]);
      float drift = (tempered * gradient[i] + pull) * mask[i];
      out[i] = position[i] - half * drift + spread * noise[i] * mask[i];
    }
  }
}
"""

_moved = 0


def moved(position: Tensor, gradient: Tensor, noise: Tensor, target: Target) -> Tensor:
    """`langevin`, by the kernel where that is the faster one and can be had."""
    alone = _get_current_dispatch_mode() is None  # nobody looks on, to count or to compile
    if alone and _repays(position.numel()) and _suits(position, gradient, noise, target):
        return _by_kernel(position, gradient, noise, target)
    return langevin(position, gradient, noise, target)


def _suits(position: Tensor, gradient: Tensor, noise: Tensor, target: Target) -> bool:
    """Whether that is what the kernel is for."""
    wide = (position, gradient, noise, target.centre, target.mask)
    single = all(
        tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous()
        for tensor in (*wide, target.nbeta, target.localization, target.epsilon)
    )
    same = all(tensor.shape == position.shape for tensor in wide)
    return single and same


def _repays(numbers: int) -> bool:
    global _moved
    _moved += numbers
    return _moved > ENOUGH and usable()


@cache
def usable() -> bool:
    """Whether the kernel can be compiled and its numbers are torch's."""
    stream = torch.Generator().manual_seed(1)
    position, gradient, noise, centre = torch.randn(4, 71, 13, generator=stream).unbind()
    nbeta, localization, epsilon = torch.rand(3, 71, 1, generator=stream).unbind()
    target = Target(
        loss_and_gradient=lambda position, batch: (position[:, 0], position),
        centre=centre,
        nbeta=1000 * nbeta,
        localization=100 * localization,
        epsilon=epsilon / 1000,
        mask=(noise > -1).float(),
        shapes={"w": (13,)},
        constants={},
    )
    try:
        found = _by_kernel(position, gradient, noise, target)
    except Exception as error:
        # whatever a compiler can fail with: torch has its own operations
        log.warning("%s: torch moves the chains", uncompiled(error))
        return False
    same = torch.equal(found, langevin(position, gradient, noise, target))
    if not same:
        log.info("torch's steps are not those of our kernel: torch moves the chains")
    return same


def _by_kernel(position: Tensor, gradient: Tensor, noise: Tensor, target: Target) -> Tensor:
    found = torch.empty_like(position)
    kernel = function(KERNEL, "moved", (c_void_p,) * 10 + (c_int64,) * 3)
    given = (position, gradient, noise, target.centre, target.mask)
    # roots by torch: its own of many numbers are not always the nearest ones
    scales = (target.nbeta, target.localization, target.epsilon / 2, target.epsilon.sqrt())
    threads = torch.get_num_threads() if position.numel() >= MANY else 1
    run(kernel, (*given, *scales, found), *position.shape, threads)
    return found
