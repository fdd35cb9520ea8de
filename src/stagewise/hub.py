"""Models of the Hugging Face hub: the one module of the package that uses the network.

It stands outside the layers because it is neither a model nor an artifact of the workflow: it turns
a name into a folder, and everything else knows folders only.
"""

import os
from pathlib import Path

from stagewise.settings import SettingsError

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

WANTED = ["*.safetensors", "*.json", "merges.txt", "vocab.txt"]
"""Weights, settings and tokenizer: no pickle and no code is ever fetched."""


def fetched(name: str, revision: str) -> tuple[Path, str]:
    """The folder of a model at a revision (branch, tag or commit), and the commit it stands for.

    From the hub, or without a connection from the cache of earlier runs (HF_HOME). Raises
    SettingsError if the hub has no such model or revision, or cannot be reached.
    """
    # Imported here: the settings above must come first.
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name, revision=revision, allow_patterns=WANTED, ignore_patterns=["*/*"]
        )
    except hub.HFValidationError as error:
        raise SettingsError(f"model.name: {name!r} is no name of a model ({error})") from error
    except hub.RevisionNotFoundError as error:
        raise SettingsError(f"model.revisions: {name} has no revision {revision!r}") from error
    except hub.GatedRepoError as error:
        raise SettingsError(
            f"model.name: {name} asks for an agreement: accept it on its page and log in with "
            f"`hf auth login`"
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise SettingsError(
            f"model.name: the hub has no model {name!r}, or it is private; is it a folder? Then "
            f"it goes into model.folder"
        ) from error
    except Exception as error:
        # whatever a client of the network can fail with
        reason = str(error).strip().split("\n")[0]
        raise SettingsError(
            f"model.name: {name} at revision {revision!r} cannot be fetched from the hub, and no "
            f"earlier run has left it in the cache ({type(error).__name__}: {reason}): check the "
            f"connection, or give a local folder as model.folder"
        ) from error
    return Path(found), Path(found).name
