"""A quantized model as bytes: its whole numbers entropy-coded, and decoded bit for bit.

MAGIC, and a CRC-32 of all that follows
words   their number; all whole numbers, range-coded with the shares of their tensor
        (constriction, 32-bit words)
header  its length; packed by zlib: names, shapes and precisions, then a byte for each level of
        each tensor, its share of the tensor's numbers on a logarithmic scale, then shifts
plain   scales and vectors as they are in memory
"""

import json
import struct
import zlib
from collections.abc import Sequence
from math import prod

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.compression.quantization import Quantized, Symbols

MAGIC = b"sgwq"
START = struct.Struct("<4sI")
LENGTH = struct.Struct("<I")
STEPS = 4
"""Steps of the scale of shares to a factor of two. Shares are right within 9 %, which costs about
2e-3 bits a number; finer ones would cost small models more than that."""

_LAYER = (
    "input_layernorm", "post_attention_layernorm", "attention.query_key_value", "attention.dense",
    "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
)  # fmt: skip
NAMES = ",".join(
    [f'["gpt_neox.layers.{layer}.{part}.weight"' for layer in (2, 1, 0) for part in _LAYER]
    + [f'["gpt_neox.layers.{layer}.{part}.bias"' for layer in (2, 1, 0) for part in _LAYER]
    + ['["gpt_neox.embed_in.weight"', '["gpt_neox.final_layer_norm.weight"']
    + ['["gpt_neox.final_layer_norm.bias"', '["embed_out.weight"']
    + [',1,"float32","float32",[1,1],[512,64]],']
).encode()
"""What a header is expected to hold, so that in a small model names take little. Any others do as
well, and take more."""

Codes = NDArray[np.uint8]
"""(level,): the logarithm of its share; 0 for a level that does not occur."""


def entropy_bits(model: Quantized) -> float:
    """What its numbers take if each tensor's are independent with their own frequencies, the sum
    over levels of -count log2(count / all), and what is not coded, scales and vectors, in bits."""
    plain = [tensor.scale for tensor in model.tensors.values()] + [*model.vectors.values()]
    bits = 8.0 * sum(tensor.numel() * tensor.element_size() for tensor in plain)
    for tensor in model.tensors.values():
        counts = _counts(tensor)
        some = counts[counts > 0]
        bits -= float(np.sum(some * np.log2(some / some.sum())))
    return bits


def encoded(model: Quantized) -> bytes:
    """The model as bytes; `decoded` gives it back."""
    coder = constriction.stream.queue.RangeEncoder()
    described, shares, shifts, plain = [], b"", b"", b""
    for name, tensor in model.tensors.items():
        codes = _codes(_counts(tensor))
        present = np.flatnonzero(codes)
        if len(present) > 1:  # a number that is always the same takes nothing
            places = np.searchsorted(present, _from_zero(tensor)).astype(np.int32)
            coder.encode(places, _categorical(codes))
        kinds = [_kind(tensor.dtype), _kind(tensor.scale.dtype)]
        shapes = [list(tensor.scale.shape), list(tensor.symbols.shape)]
        described.append([name, tensor.half, *kinds, *shapes])
        shares += codes.tobytes()
        shifts += _bytes(tensor.shift)
        plain += _bytes(tensor.scale)
    vectors = [[name, _kind(t.dtype), list(t.shape)] for name, t in model.vectors.items()]
    plain += b"".join(_bytes(tensor) for tensor in model.vectors.values())
    names = json.dumps([described, vectors], separators=(",", ":")).encode()
    packer = zlib.compressobj(9, zdict=NAMES)
    header = packer.compress(LENGTH.pack(len(names)) + names + shares + shifts) + packer.flush()
    words = np.asarray(coder.get_compressed(), dtype=np.uint32)
    body = LENGTH.pack(len(words)) + words.tobytes() + LENGTH.pack(len(header)) + header + plain
    return START.pack(MAGIC, zlib.crc32(body)) + body


def decoded(data: bytes) -> Quantized:
    """The model that `encoded` made bytes of.

    Raises ValueError for bytes that are something else, damaged or cut off.
    """
    if len(data) < START.size or not data.startswith(MAGIC):
        raise ValueError("coded weights: these bytes are not a model as `encoded` writes it")
    _, check = START.unpack_from(data)
    body = data[START.size :]
    if zlib.crc32(body) != check:
        raise ValueError("coded weights: the bytes are damaged or cut off")
    coded, rest = _cut(body, 4)
    packed, rest = _cut(rest, 1)
    names, shares = _cut(zlib.decompressobj(zdict=NAMES).decompress(packed), 1)
    described, vectors = json.loads(names)
    left = np.frombuffer(shares, dtype=np.uint8)
    coder = constriction.stream.queue.RangeDecoder(np.frombuffer(coded, dtype=np.uint32))
    levels = sum(2 * half + 1 for _, half, *_ in described)
    plain, shifts = _Plain(rest), _Plain(shares[levels:])
    tensors = {}
    for name, half, kind, kind_of_scale, shape_of_scale, shape in described:
        codes, left = np.split(left, [2 * half + 1])
        present = np.flatnonzero(codes)
        places = np.zeros(prod(shape), dtype=np.int32)
        if len(present) > 1:
            places = coder.decode(_categorical(codes), len(places))
        symbols = torch.from_numpy((present[places] - half).astype(np.int32)).reshape(shape)
        scale = plain.taken(kind_of_scale, shape_of_scale)
        shift = shifts.taken(kind_of_scale, [*shape[:-2], 1, 1])
        tensors[name] = Symbols(symbols, scale, shift, half, getattr(torch, kind))
    return Quantized(tensors, {name: plain.taken(kind, shape) for name, kind, shape in vectors})


def _cut(data: bytes, size: int) -> tuple[bytes, bytes]:
    """As many items of that size as a number before them says, and what follows."""
    end = LENGTH.size + size * LENGTH.unpack_from(data)[0]
    return data[LENGTH.size : end], data[end:]


def _from_zero(tensor: Symbols) -> NDArray[np.int64]:
    """The numbers of a tensor, j + k."""
    return tensor.symbols.flatten().cpu().numpy().astype(np.int64) + tensor.half


def _counts(tensor: Symbols) -> NDArray[np.int64]:
    return np.bincount(_from_zero(tensor), minlength=2 * tensor.half + 1)


def _codes(counts: NDArray[np.int64]) -> Codes:
    falls = np.log2(counts.max() / np.maximum(counts, 1))
    return np.where(counts > 0, np.maximum(255 - np.rint(STEPS * falls), 1), 0).astype(np.uint8)


def _categorical(codes: Codes) -> constriction.stream.model.Categorical:
    """The distribution over the levels that occur."""
    logs = (codes[codes > 0].astype(float) - 255) / STEPS
    # whole numbers, so that the decoder has the same ones whatever the last digit of a power
    shares = np.rint(2**30 * np.exp2(logs))
    return constriction.stream.model.Categorical(shares / shares.sum(), perfect=False)


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


class _Plain:
    """Tensors that stand one after the other in some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._place = 0

    def taken(self, kind: str, shape: Sequence[int]) -> Tensor:
        """The next one."""
        dtype, entries = getattr(torch, kind), prod(shape)
        found = torch.frombuffer(self._data, dtype=dtype, count=entries, offset=self._place)
        self._place += entries * dtype.itemsize
        return found.clone().reshape(shape)
