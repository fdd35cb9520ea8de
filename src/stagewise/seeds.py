"""Independent random streams, named by what they are for."""

import hashlib

import torch


def stream_seed(seed: int, *key: str | int) -> int:
    """A 63-bit seed for the stream that `key` names below `seed`.

    Streams with different keys are independent for every practical purpose (SHA-256), and a
    stream does not depend on which others exist: adding a chain or a seed changes no other draw.
    """
    text = "/".join([str(seed), *map(str, key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *key: str | int) -> torch.Generator:
    """A CPU generator at the start of the stream that `key` names below `seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, *key))
