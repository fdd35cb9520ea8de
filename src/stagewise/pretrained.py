"""Folders of pretrained language models: config.json, weights as safetensors, a tokenizer.

Nothing in a folder is executed: pickled weights and models that bring code of their own are
refused.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest
from stagewise.settings import SettingsError

TOKENIZER = ("*.json", "merges.txt", "vocab.txt")
READ = ("*.safetensors", *TOKENIZER)
"""What is read of a folder."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
"""What weights that are pickles are called."""
BORN = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache"}
"""Settings of a config.json that say nothing about the function it describes."""


def own_files(model: Mapping[str, Any]) -> list[str]:
    """Files of the user's own that a run with these `model` settings reads, sorted.

    The weights, settings and tokenizer of a folder and its revisions, and the text or tokens.
    Raises SettingsError for one that is not there, and where the text has more than one source.
    """
    sources = [key for key in ("text", "tokens", "corpus") if model.get(key)]
    if len(sources) > 1:
        raise SettingsError(f"model.{sources[1]}: give one of text, tokens and corpus, not more")
    given = {key: Path(str(model[key])) for key in ("text", "tokens") if model.get(key)}
    for key, path in given.items():
        if not path.is_file():
            raise SettingsError(f"model.{key}: there is no file {path}")
    found = [str(path) for path in given.values()]
    if model.get("folder"):
        folder = Path(str(model["folder"]))
        if not folder.is_dir():
            raise SettingsError(f"model.folder: there is no folder {folder}")
        for revision in model.get("revisions") or ["."]:
            own = revision_folder(folder, str(revision))
            found += [str(path) for kind in READ for path in own.glob(kind)]
        found += [str(path) for kind in TOKENIZER for path in folder.glob(kind)]
    return sorted(set(found))


def revision_folder(folder: Path, revision: str) -> Path:
    """The subfolder of a revision; SettingsError if there is none."""
    found = folder / revision
    if not found.is_dir():
        known = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_dir())) or "none"
        raise SettingsError(
            f"model.revisions: {folder} has no folder {revision!r}; its folders: {known}"
        )
    return found


def weights_digest(folder: Path) -> str:
    """Of the weights of a folder, as 16 hexadecimal digits."""
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()[:16]


def described(folder: Path) -> dict[str, Any]:
    """What the config.json of a folder says of the model's function.

    Raises ArtifactError for a missing or damaged one, and for models with code of their own.
    """
    path = folder / "config.json"
    found = _json(path)
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} does not describe a model.")
    _check_no_code(path, found)
    return {key: value for key, value in found.items() if key not in BORN}


def module_of(folder: Path) -> Any:
    """The causal language model of a folder as a torch module, in single precision, for use.

    Raises ArtifactError, naming the folder or file, where weights are missing, pickled or cut off,
    where they do not fit the config.json, or where that is not of a causal language model.
    """
    architectures = described(folder).get("architectures") or []
    _check_weights(folder)
    transformers = _transformers()
    import torch

    try:
        module, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:
        # whatever transformers can fail with on files it does not understand
        reason = str(error).strip().split("\n")[0]
        raise ArtifactError(f"{folder}: transformers cannot load this model ({reason})") from error
    kind = type(module).__name__
    if architectures and kind not in architectures:
        raise ArtifactError(
            f"{folder}/config.json is of {', '.join(architectures)}, not of a causal language "
            f"model ({kind})."
        )
    wrong = {
        "missing": sorted(report["missing_keys"]),
        "unexpected": sorted(report["unexpected_keys"]),
        "of another shape": sorted(name for name, *_ in report["mismatched_keys"]),
    }
    listed = [
        f"{len(names)} {what} ({names[0]}{', ...' if len(names) > 1 else ''})"
        for what, names in wrong.items()
        if names
    ]
    if listed:
        raise ArtifactError(
            f"{folder}: the weights are not those of its config.json, {kind}: {', '.join(listed)}."
        )
    for name, tensor in module.named_parameters():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"{folder}: the weights {name} are not finite.")
    return module.eval().requires_grad_(False)


def tokenizer_of(folders: list[Path]) -> Any:
    """The tokenizer of the first of the folders that has one; ArtifactError if none has."""
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.json")
    folder = next((f for f in folders if any((f / name).is_file() for name in names)), None)
    if folder is None:
        raise ArtifactError(
            f"{folders[0]} has no tokenizer (tokenizer.json): save it there with "
            f"tokenizer.save_pretrained, or give model.tokens instead of model.text."
        )
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        _check_no_code(settings, _json(settings))
    try:
        return _transformers().AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        # as above
        reason = str(error).strip().split("\n")[0]
        raise ArtifactError(
            f"{folder}: transformers cannot load its tokenizer ({reason})"
        ) from error


def _check_no_code(path: Path, found: Mapping[str, Any]) -> None:
    if "auto_map" in found:
        raise ArtifactError(
            f"{path} names code of its own (auto_map), which is never executed: take a model that "
            f"transformers itself knows."
        )


def _check_weights(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = sorted(path.name for kind in PICKLES for path in folder.glob(kind))
        there = f"only {', '.join(pickled)}, and pickles are never loaded" if pickled else "none"
        raise ArtifactError(
            f"{folder} has no weights as safetensors ({there}). Where you trust them, convert them "
            f"once: AutoModelForCausalLM.from_pretrained(...).save_pretrained(folder)."
        )
    for path in files:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ArtifactError(
                f"{path} is not a whole safetensors file ({error}): copy or download it again."
            ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}).") from error


def _transformers() -> Any:
    """The library, told to be quiet. Imported here: it takes seconds."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
