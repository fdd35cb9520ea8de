"""Language models of a user's own, small enough to be made by a test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import BpeTrainer

WORDS = ["the", "cat", "dog", "sat", "ran", "saw", "on", "under", "a", "red", "blue", "mat", "hill"]


def text(words: int, seed: int = 0) -> str:
    """So many words in random order."""
    stream = torch.Generator().manual_seed(seed)
    places = torch.randint(len(WORDS), (words,), generator=stream)
    return " ".join(WORDS[place] for place in places.tolist())


def tokenizer(vocabulary: int = 128) -> Any:
    """One of those words."""
    found = Tokenizer(BPE(unk_token="?"))
    found.pre_tokenizer = Metaspace()
    trainer = BpeTrainer(vocab_size=vocabulary, special_tokens=["?"], show_progress=False)
    found.train_from_iterator([text(400)], trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=found, unk_token="?")


def gpt_neox(seed: int = 0, **changes: Any) -> Any:
    """A fresh model of two layers and four heads."""
    settings = {
        "vocab_size": 128,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    torch.manual_seed(seed)
    return transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**settings | changes))


def saved(folder: Path, steps: Sequence[int] = (0, 20, 40)) -> Path:
    """A folder with a revision step<k> for each of the steps of a short training, and a tokenizer
    that they share."""
    transformers.utils.logging.disable_progress_bar()
    own, model = tokenizer(), gpt_neox()
    own.save_pretrained(folder)
    tokens = torch.tensor(own(text(4096))["input_ids"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    stream = torch.Generator().manual_seed(0)
    for step in range(max(steps) + 1):
        if step in steps:
            model.save_pretrained(folder / f"step{step}")
        starts = torch.randint(len(tokens) - 16, (32,), generator=stream)
        batch = torch.stack([tokens[at : at + 16] for at in starts.tolist()])
        optimizer.zero_grad()
        model(batch, labels=batch).loss.backward()
        optimizer.step()
    return folder


def settings(folder: Path, /, **changes: Any) -> dict[str, Any]:
    """Settings of the testbed: the last revision of the folder, and the text beside it."""
    own = {"folder": str(folder), "revisions": ["step2"], "text": str(folder.parent / "text.txt")}
    sizes = {"context": 12, "sequences": 24, "held_out": 4, "evaluation": 8}
    return {key: v for key, v in {**own, **sizes, **changes}.items() if v is not None}
