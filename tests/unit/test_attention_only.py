"""The attention-only transformer against plain PyTorch, and its invariances."""

import torch
from torch import Tensor

from stagewise.models import attention_only

SIZES = {"vocabulary": 11, "context": 9, "width": 8, "heads": 2, "layers": 2}


def weights(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    found = attention_only.initial(**SIZES, stream=torch.Generator().manual_seed(0))
    return {name: tensor.to(dtype) for name, tensor in found.items()}


def tokens(samples: int = 3) -> Tensor:
    return torch.randint(0, 11, (samples, 9), generator=torch.Generator().manual_seed(1))


def test_against_the_attention_of_torch() -> None:
    w, x = weights(), tokens()
    stream = w["embed"][x] + w["place"]
    for layer in (1, 2):
        scale, qkv, out = (w[f"layer{layer}.{name}"] for name in ("scale", "qkv", "out"))
        seen = torch.nn.functional.rms_norm(stream, (8,), scale, eps=1e-6)
        joint = torch.cat([qkv[part].permute(1, 0, 2).reshape(8, 8).T for part in range(3)])
        module = torch.nn.MultiheadAttention(8, 2, bias=False, batch_first=True).double()
        with torch.no_grad():
            module.in_proj_weight.copy_(joint)
            module.out_proj.weight.copy_(out.reshape(8, 8).T)
        causal = torch.nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.float64)
        with torch.no_grad():
            stream = stream + module(seen, seen, seen, attn_mask=causal, need_weights=False)[0]
    final = torch.nn.functional.rms_norm(stream, (8,), w["final.scale"], eps=1e-6)
    torch.testing.assert_close(attention_only.logits(w, x), final @ w["unembed"])


def test_the_future_is_not_seen() -> None:
    w, x = weights(), tokens()
    changed = x.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    before, after = attention_only.logits(w, x), attention_only.logits(w, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_losses_are_cross_entropies_of_the_next_token() -> None:
    w, x = weights(), tokens()
    found = attention_only.next_token_losses(w, x)
    scores = attention_only.logits(w, x[:, :-1])
    wanted = torch.nn.functional.cross_entropy(scores.mT, x[:, 1:], reduction="none")
    assert found.shape == (3, 8)
    torch.testing.assert_close(found, wanted)


def test_parameters_are_counted_as_documented() -> None:
    sizes = {name: tuple(tensor.shape) for name, tensor in weights().items()}
    assert sizes["embed"] == (11, 8)
    assert sizes["layer2.qkv"] == (3, 2, 8, 4)
    assert sizes["layer1.out"] == (2, 4, 8)
    assert sum(tensor.numel() for tensor in weights().values()) == 11 * 8 * 2 + 72 + 24 + 2 * 256
