"""Quantized checkpoints as bytes: what they really take, and what is left of the model."""

from collections.abc import Callable, Mapping

import pandas as pd
from torch import Tensor

from stagewise.compression.coding import decoded, encoded, entropy_bits
from stagewise.compression.quantization import Quantization, quantized

Losses = Callable[[Mapping[str, Tensor]], Tensor]

COLUMNS = (
    "checkpoint", "scheme", "amount", "bytes", "entropy_bits", "bits", "float_bytes", "loss_rise",
)  # fmt: skip


def coded_rows(
    weights: Mapping[str, Tensor],
    scheme: Quantization,
    levels: list[float],
    losses: Losses,
    *,
    seed: int,
) -> pd.DataFrame:
    """One row per number of levels: the model quantized without dither, coded, and decoded again.

    amount        levels
    bytes         of the coded model, with everything that is needed to decode it
    entropy_bits  what no coder of independent weights goes below (`compression.coding`)
    bits          description length that the scheme claims, without a coder
    float_bytes   of the weights as they are in memory
    loss_rise     of the model that was decoded from the bytes, in nats
    """
    before = float(losses({name: tensor[None] for name, tensor in weights.items()})[0])
    claimed = scheme.prepared(weights, draws=1, seed=seed).bits
    whole = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    rows = []
    for amount in levels:
        model = quantized(weights, amount, scheme)
        data = encoded(model)
        again = decoded(data).weights()
        loss = float(losses({name: tensor[None] for name, tensor in again.items()})[0])
        rows.append(
            {
                "amount": amount,
                "bytes": len(data),
                "entropy_bits": entropy_bits(model),
                "bits": claimed(amount),
                "float_bytes": whole,
                "loss_rise": loss - before,
            }
        )
    return pd.DataFrame(rows)
