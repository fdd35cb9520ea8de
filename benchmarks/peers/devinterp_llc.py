"""lambda-hat by devinterp 2.0.1's own `llc`, as its users call it."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from peers.devinterp_chain import _Model

INIT_BATCHES = 32
"""Batches of `init_loss` for each chain: devinterp's default."""


class _Places(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Sample k as the sequence (k, 0): devinterp knows token sequences only."""

    def __init__(self, samples: int) -> None:
        self._rows = torch.stack([torch.arange(samples), torch.zeros(samples).long()], dim=1)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._rows[place]}


def estimate(case: Any, *, seed: int, same_batches: bool) -> float:
    """lambda-hat: all steps from the first, minibatch losses, minus `init_loss`.

    With `same_batches`, which is devinterp's default, all chains see the same batches.
    """
    from devinterp.slt.llc import llc

    logging.getLogger("devinterp").setLevel(logging.ERROR)
    model = _Model(case.workload)

    def losses(model: torch.nn.Module, places: torch.Tensor) -> torch.Tensor:
        batch = {name: tensor[places[:, 0]] for name, tensor in case.workload.data.items()}
        return model(batch)[:, None]

    os.environ.setdefault("TQDM_DISABLE", "1")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        found = llc(
            model,
            _Places(case.samples),
            {},
            lr=case.epsilon,
            n_beta=case.nbeta,
            localization=case.localization,
            num_chains=case.chains,
            num_draws=case.steps,
            batch_size=case.workload.batch,
            num_init_loss_batches=INIT_BATCHES,
            init_seed=seed,
            match_sampling_input_ids_across_chains=same_batches,
            device="cpu",
            loss_fn=losses,
            output_path=Path(folder) / "samples.zarr",
        )
        return float(found["llc_mean"])
