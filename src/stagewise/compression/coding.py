"""A quantized model as bytes: its whole numbers entropy-coded, and decoded bit for bit.

MAGIC, and a CRC-32 of all that follows
words   their number; all whole numbers, range-coded with the shares of their tensor
        (constriction, 32-bit words)
header  deflated: names, levels, precisions and shapes as a line of JSON, then a byte for each level
        of each tensor, its share of the tensor's numbers on a logarithmic scale, then shifts
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
RAW = -15
"""Deflated without zlib's own frame: there is a check of all bytes already."""
STEPS = 4
"""Steps of the scale of shares to a factor of two. Shares are right within 9 %, which costs about
2e-3 bits a number; finer ones would cost small models more than that."""

_MATRICES = (
    "attention.query_key_value",
    "attention.dense",
    "mlp.dense_h_to_4h",
    "mlp.dense_4h_to_h",
)
_VECTORS = [
    *(f"{norm}.{part}" for norm in ("input_layernorm", "post_attention_layernorm")
      for part in ("weight", "bias")),
    *(f"{name}.bias" for name in _MATRICES),
]  # fmt: skip
NAMES = json.dumps(
    [
        ["float32"] * 8,
        [[1, 1]] * 8,
        [f"gpt_neox.layers.{layer}.{part}" for layer in range(3) for part in _VECTORS],
        ["gpt_neox.final_layer_norm.weight", "gpt_neox.final_layer_norm.bias"],
        ["gpt_neox.embed_in.weight"],
        [f"gpt_neox.layers.{layer}.{part}.weight" for layer in range(3) for part in _MATRICES],
        ["lm_head.weight"],
    ],
    separators=(",", ":"),
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
    shares, shifts, plain = b"", b"", b""
    for tensor in model.tensors.values():
        codes = _codes(_counts(tensor))
        present = np.flatnonzero(codes)
        if len(present) > 1:  # a number that is always the same takes nothing
            places = np.searchsorted(present, _from_zero(tensor)).astype(np.int32)
            coder.encode(places, _categorical(codes))
        shares += codes.tobytes()
        shifts += _bytes(tensor.shift)
        plain += _bytes(tensor.scale)
    plain += b"".join(_bytes(tensor) for tensor in model.vectors.values())
    packer = zlib.compressobj(9, wbits=RAW, zdict=NAMES)
    header = packer.compress(_described(model) + b"\n" + shares + shifts) + packer.flush()
    words = np.asarray(coder.get_compressed(), dtype=np.uint32)
    body = LENGTH.pack(len(words)) + words.tobytes() + header + plain
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
    end = LENGTH.size + 4 * LENGTH.unpack_from(body)[0]
    coded = np.frombuffer(body[LENGTH.size : end], dtype=np.uint32)
    unpacker = zlib.decompressobj(wbits=RAW, zdict=NAMES)
    line, _, shares = unpacker.decompress(body[end:]).partition(b"\n")
    *of_tensors, names, kinds, shapes = json.loads(line)
    described = list(zip(*of_tensors, strict=True))
    left = np.frombuffer(shares, dtype=np.uint8)
    coder = constriction.stream.queue.RangeDecoder(coded)
    levels = sum(2 * half + 1 for _, half, *_ in described)
    plain, shifts = _Plain(unpacker.unused_data), _Plain(shares[levels:])
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
    vectors = zip(names, kinds, shapes, strict=True)
    return Quantized(tensors, {name: plain.taken(kind, shape) for name, kind, shape in vectors})


def _described(model: Quantized) -> bytes:
    """Lists of all tensors' names, halves, precisions, those of scales, shapes of scales, shapes;
    then of all vectors' names, precisions and shapes: likes beside likes take less."""
    tensors, vectors = model.tensors.values(), model.vectors.values()
    columns = [
        list(model.tensors),
        [tensor.half for tensor in tensors],
        [_kind(tensor.dtype) for tensor in tensors],
        [_kind(tensor.scale.dtype) for tensor in tensors],
        [list(tensor.scale.shape) for tensor in tensors],
        [list(tensor.symbols.shape) for tensor in tensors],
        list(model.vectors),
        [_kind(vector.dtype) for vector in vectors],
        [list(vector.shape) for vector in vectors],
    ]
    return json.dumps(columns, separators=(",", ":")).encode()


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
