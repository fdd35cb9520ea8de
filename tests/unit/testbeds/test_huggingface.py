"""A model of the user's own: from a folder, from the hub, and everything that can be wrong."""

import json
import pickle
import shutil
import socket
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub.constants
import language_models
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from stagewise.artifacts import ArtifactError
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import llc_table
from stagewise.hub import fetched
from stagewise.pretrained import own_files
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds.huggingface import build

REVISIONS = ["step0", "step1", "step2"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in three revisions, and a text. Not to be changed."""
    folder = language_models.saved(tmp_path_factory.mktemp("shared") / "model", steps=(0, 1, 2))
    (folder.parent / "text.txt").write_text(language_models.text(1200))
    return folder


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copy(shared.parent / "text.txt", tmp_path / "text.txt")
    return Path(shutil.copytree(shared, tmp_path / "model"))


def settings(folder: Path, /, **changes: Any) -> dict[str, Any]:
    own = {"folder": str(folder), "revisions": ["step2"], "text": str(folder.parent / "text.txt")}
    sizes = {"context": 12, "sequences": 24, "held_out": 4, "evaluation": 8}
    return {key: v for key, v in {**own, **sizes, **changes}.items() if v is not None}


def test_revisions_are_points(shared: Path) -> None:
    testbed = build(settings(shared, revisions=REVISIONS), 0)
    assert testbed.points is not None
    points = testbed.points()
    assert points.index["revision"].tolist() == REVISIONS
    assert points.index["step"].tolist() == [0, 1, 2]
    assert points.index["commit"].str.fullmatch("sha256:[0-9a-f]{16}").all()
    assert points.index["commit"].nunique() == 3
    for place, name in enumerate(REVISIONS):
        stored = load_file(shared / name / "model.safetensors")
        # transformers stores the unembedding under an older name than it gives it
        stored["lm_head.weight"] = stored.pop("embed_out.weight")
        assert set(stored) == set(points.parameters)
        for key, tensor in stored.items():
            assert points.parameters[key][place].equal(tensor)


def test_names_that_are_no_steps_are_counted(folder: Path) -> None:
    for old, new in (("step1", "checkpoint-500"), ("step2", "final")):
        (folder / old).rename(folder / new)
    named = {
        ("step0", "checkpoint-500"): [0, 500],
        ("step0", "checkpoint-500", "final"): [0, 1, 2],
    }
    for revisions, steps in named.items():
        testbed = build(settings(folder, revisions=list(revisions)), 0)
        assert testbed.points is not None
        assert testbed.points().index["step"].tolist() == steps


def test_the_folder_itself_is_the_default(folder: Path) -> None:
    single = folder / "step1"
    own = settings(single, revisions=None, text=str(folder.parent / "text.txt"))
    with pytest.raises(ArtifactError, match="step1 has no tokenizer"):
        build(own, 0)
    for path in folder.glob("tokenizer*"):
        shutil.copy(path, single)
    testbed = build(own, 0)
    assert testbed.points is not None
    assert testbed.points().index[["revision", "step"]].to_numpy().tolist() == [[".", 0]]


def test_loss_is_that_of_the_model(shared: Path) -> None:
    testbed = build(settings(shared), 0)
    assert testbed.points is not None
    point = {name: tensor[0] for name, tensor in testbed.points().parameters.items()}
    model = transformers.GPTNeoXForCausalLM.from_pretrained(shared / "step2")
    tokens = testbed.data["tokens"]
    losses = testbed.losses(point, {}, testbed.data)
    assert losses.shape == (24,)
    torch.testing.assert_close(losses.mean(), model(tokens, labels=tokens).loss.detach())
    recorded = ["train", "held_out"]
    assert list(testbed.observables) == [*recorded, *(f"{name}_tokens" for name in recorded)]
    whole, each = (testbed.observables[name] for name in ("held_out", "held_out_tokens"))
    of_tokens = each.losses(point, {}, each.data)
    assert of_tokens.shape == (4, 11)
    torch.testing.assert_close(of_tokens.mean(1), whole.losses(point, {}, whole.data))
    assert testbed.observables["held_out"].data["tokens"].shape == (4, 12)
    assert len(testbed.reported["tokens"]) == 8


def test_sequences_are_the_text_and_the_seed_chooses_them(shared: Path) -> None:
    own = settings(shared, sequences=40)
    text = (shared.parent / "text.txt").read_text()
    tokenizer = transformers.AutoTokenizer.from_pretrained(shared)
    whole = tokenizer(text)["input_ids"]
    pieces = [whole[at : at + 12] for at in range(0, len(whole) - 11, 12)]
    first, again, other = (build(own, seed) for seed in (0, 0, 1))
    rows = [
        *first.data["tokens"].tolist(),
        *first.observables["held_out"].data["tokens"].tolist(),
    ]
    assert len(rows) == 44
    assert all(rows.count(row) <= pieces.count(row) for row in rows)
    assert first.data["tokens"].equal(again.data["tokens"])
    assert not first.data["tokens"].equal(other.data["tokens"])


def test_sequences_start_as_the_tokenizer_does(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    from tokenizers.processors import TemplateProcessing

    tokenizer.add_special_tokens({"bos_token": "?"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="? $A", special_tokens=[("?", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    tokens = build(settings(folder), 0).data["tokens"]
    assert tokens.shape == (24, 12)
    assert (tokens[:, 0] == tokenizer.bos_token_id).all()
    assert (tokens[:, 1:] != tokenizer.bos_token_id).all()


def test_tokens_need_no_tokenizer(folder: Path) -> None:
    given = np.random.default_rng(0).integers(128, size=(30, 16))
    np.save(folder.parent / "tokens.npy", given)
    own = settings(
        folder / "step1",
        revisions=None,
        text=None,
        tokens=str(folder.parent / "tokens.npy"),
    )
    tokens = build(own, 0).data["tokens"]
    assert {tuple(row) for row in tokens.tolist()} <= {tuple(row[:12]) for row in given.tolist()}


def test_posteriors_of_revisions_and_heads(shared: Path) -> None:
    testbed = build(settings(shared, revisions=["step0", "step2"]), 0)
    assert testbed.points is not None
    sampling = Sampling(
        kernel="sgld",
        steps=6,
        burn_in=2,
        chains=2,
        localization=100.0,
        epsilon=1e-4,
        batch=8,
        components=["all", "1:2", "mlp0"],
        observables={},
    )
    draws = sample(testbed, testbed.points(), sgld, sampling, seed=0, report=lambda *a: None)
    table = llc_table(draws)
    assert len(table) == 6
    assert table["lambda_hat"].notna().all()
    assert set(table["revision"]) == {"step0", "step2"}
    dimensions = dict(zip(table["component"], table["dimension"], strict=True))
    # rows of three projections and their biases, columns of one: 24 x 32 + 24 + 32 x 8
    assert dimensions["1:2"] == 24 * 32 + 24 + 32 * 8
    assert dimensions["mlp0"] == 2 * 32 * 64 + 32 + 64


def changed(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "step2/model.safetensors")
    change(tensors)
    save_file(tensors, folder / "step2/model.safetensors", metadata={"format": "pt"})


def halved(folder: Path) -> None:
    path = folder / "step2/model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(folder: Path) -> None:
    weights = folder / "step2/model.safetensors"
    torch.save(load_file(weights), folder / "step2/pytorch_model.bin")
    weights.unlink()


def of_another(folder: Path) -> None:
    config = transformers.GPT2Config(vocab_size=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=0)
    (folder / "step2/config.json").write_text(config.to_json_string())


FOLDERS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "truncated": (halved, ["step2/model.safetensors is not a whole safetensors file"]),
    "only pickles": (pickled, ["step2 has no weights as safetensors (only pytorch_model.bin"]),
    "no weights": (
        lambda folder: (folder / "step2/model.safetensors").unlink(),
        ["step2 has no weights as safetensors (none)"],
    ),
    "no config": (
        lambda folder: (folder / "step2/config.json").unlink(),
        ["step2/config.json cannot be read"],
    ),
    "another architecture": (
        of_another,
        ["step2: the weights are not those of its config.json, GPT2LMHeadModel: 2", "missing"],
    ),
    "weights missing": (
        lambda folder: rewritten(
            folder, lambda t: t.pop("gpt_neox.layers.1.mlp.dense_h_to_4h.bias")
        ),
        ["not those of its config.json", "1 missing (gpt_neox.layers.1.mlp.dense_h_to_4h.bias)"],
    ),
    "weights too many": (
        lambda folder: rewritten(folder, lambda t: t.update(more=torch.zeros(2))),
        ["not those of its config.json", "1 unexpected (more)"],
    ),
    "another width": (
        lambda folder: changed(folder / "step2/config.json", intermediate_size=48),
        ["not those of its config.json", "6 of another shape (gpt_neox.layers.0.mlp"],
    ),
    "not finite": (
        lambda folder: rewritten(folder, lambda t: t["embed_out.weight"].fill_(torch.nan)),
        ["step2: the weights lm_head.weight are not finite"],
    ),
    "code of its own": (
        lambda folder: changed(
            folder / "step2/config.json", auto_map={"AutoModelForCausalLM": "own.Model"}
        ),
        ["step2/config.json names code of its own (auto_map)"],
    ),
    "a tokenizer with code": (
        lambda folder: changed(
            folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}
        ),
        ["tokenizer_config.json names code of its own (auto_map)"],
    ),
    "unknown family": (
        lambda folder: changed(folder / "step2/config.json", model_type="zorg"),
        ["step2: transformers cannot load this model", "zorg"],
    ),
    "no language model": (
        lambda folder: changed(folder / "step2/config.json", architectures=["GPTNeoXModel"]),
        ["step2/config.json is of GPTNeoXModel, not of a causal language model"],
    ),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.glob("*.json")],
        ["step2 has no tokenizer (tokenizer.json)", "model.tokens"],
    ),
    "a damaged tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        ["transformers cannot load its tokenizer"],
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_that_cannot_be_used(folder: Path, case: str) -> None:
    damage, messages = FOLDERS[case]
    build(settings(folder), 0)
    damage(folder)
    with pytest.raises(ArtifactError) as caught:
        build(settings(folder), 0)
    for message in (str(folder), *messages):
        assert message in str(caught.value)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "neither name nor folder": ({"folder": None}, "name: give either"),
    "name and folder": ({"name": "some/model"}, "name: give either"),
    "no text": ({"text": None}, "text: give either"),
    "text and corpus": ({"corpus": "installed"}, "model.corpus: give one of text, tokens"),
    "no such folder": ({"folder": "nowhere"}, "model.folder: there is no folder nowhere"),
    "no such revision": ({"revisions": ["step9"]}, "no folder 'step9'; its folders: step0, step1"),
    "a revision twice": ({"revisions": ["step1", "step1"]}, "revisions: must differ"),
    "no such text": ({"text": "none.txt"}, "model.text: there is no file none.txt"),
    "too short a text": ({"sequences": 9999}, "sequences of 12 tokens, and sequences + held_out"),
    "beyond the positions": ({"context": 33}, "model.context: 33 tokens are more than the 32"),
    "one token": ({"context": 1}, "context: must be at least 2"),
    "misspelt": ({"contxt": 3}, "huggingface.model.contxt: unknown setting"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be_used(shared: Path, case: str) -> None:
    changes, message = SETTINGS[case]
    with pytest.raises(SettingsError) as caught:
        build(settings(shared, **changes), 0)
    assert message in str(caught.value)


def test_texts_that_cannot_be_used(folder: Path) -> None:
    path = folder.parent / "text.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"model\.text: .*text\.txt is not text in UTF-8"):
        build(settings(folder), 0)
    path.write_text("")
    with pytest.raises(SettingsError, match=r"text\.txt gives 0 sequences"):
        build(settings(folder), 0)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((30, 4), dtype=int), "at least 12 places"),
        (np.zeros((30, 16)), "must hold whole numbers"),
        (np.full((30, 16), 128), "gives tokens from 128 to 128, the model knows 0 to 127"),
        (np.zeros((3, 16), dtype=int), "gives 3 sequences of 12 tokens"),
    ],
)
def test_tokens_that_cannot_be_used(folder: Path, array: Any, message: str) -> None:
    path = folder.parent / "tokens.npy"
    np.save(path, array)
    with pytest.raises(SettingsError) as caught:
        build(settings(folder, text=None, tokens=str(path)), 0)
    assert message in str(caught.value)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(SettingsError, match="is not a file of numpy"):
        build(settings(folder, text=None, tokens=str(path)), 0)


def test_revisions_of_different_models_are_told(folder: Path) -> None:
    language_models.gpt_neox(hidden_act="relu").save_pretrained(folder / "step1")
    testbed = build(settings(folder, revisions=["step0", "step1"]), 0)
    assert testbed.points is not None
    with pytest.raises(SettingsError, match=r"step0 and step1 are .* differ in hidden_act"):
        testbed.points()


def test_the_same_weights_twice_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(folder / "step0/model.safetensors", folder / "step1/model.safetensors")
    testbed = build(settings(folder, revisions=REVISIONS), 0)
    assert testbed.points is not None
    testbed.points()
    assert caplog.messages == ["step0 and step1 are the same weights"]


def test_a_models_files_are_known(shared: Path) -> None:
    found = own_files(settings(shared, revisions=["step0", "step1"]))
    names = {str(Path(path).relative_to(shared.parent)) for path in found}
    weights = {f"model/{name}/model.safetensors" for name in ("step0", "step1")}
    assert names > weights | {"text.txt", "model/tokenizer.json", "model/step0/config.json"}
    assert "model/step2/model.safetensors" not in names


class Hub(BaseHTTPRequestHandler):
    """A hub with one model, whose branches are the subfolders of a folder."""

    root: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/").split("/")
        self.asked.append("/".join(path))
        if path[:4] == ["api", "models", "some", "model"]:
            branch = self.branch(path[5])
            if not (self.root / branch).is_dir():
                return self.answer(b"", 404, {"X-Error-Code": "RevisionNotFound"})
            files = sorted(self.root.joinpath(branch).rglob("*.*"))
            names = [str(file.relative_to(self.root / branch)) for file in files]
            if path[4] == "tree":
                listed = [
                    {"type": "file", "path": name, "size": file.stat().st_size, "oid": "0" * 40}
                    for name, file in zip(names, files, strict=True)
                ]
                return self.answer(json.dumps(listed).encode())
            siblings = [{"rfilename": name} for name in names]
            about = {"id": "some/model", "sha": self.commit(branch), "siblings": siblings}
            return self.answer(json.dumps(about).encode())
        if path[:3] == ["some", "model", "resolve"]:
            body = self.root.joinpath(self.branch(path[3]), *path[4:]).read_bytes()
            return self.answer(
                body, 200, {"X-Repo-Commit": path[3], "ETag": sha256(body).hexdigest()}
            )
        return self.answer(b"", 404, {"X-Error-Code": "RepoNotFound"})

    def commit(self, branch: str) -> str:
        return branch.encode().hex().ljust(40, "0")

    def branch(self, revision: str) -> str:
        known = {self.commit(path.name): path.name for path in self.root.iterdir()}
        return known.get(revision, revision)

    def answer(self, body: bytes, status: int = 200, headers: Any = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The hub with the folder's revisions as branches, each with the tokenizer and a pickle."""
    for branch in folder.iterdir():
        if branch.is_dir():
            (branch / "pytorch_model.bin").write_bytes(pickle.dumps("bait"))
            (branch / "modeling_own.py").write_text("raise SystemExit")
            (branch / "onnx").mkdir()
            (branch / "onnx/config.json").write_text("{}")
            for path in folder.glob("tokenizer*"):
                shutil.copy(path, branch)
    Hub.root, Hub.asked = folder, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


def of_hub(folder: Path, /, **changes: Any) -> dict[str, Any]:
    return {**settings(folder, folder=None, name="some/model"), **changes}


def test_a_model_of_the_hub(hub: Any, folder: Path) -> None:
    testbed = build(of_hub(folder, revisions=["step1", "step2"]), 0)
    assert testbed.points is not None
    points = testbed.points()
    assert points.index["model"].tolist() == ["some/model"] * 2
    assert points.index["step"].tolist() == [1, 2]
    assert points.index["commit"].tolist() == [
        name.encode().hex().ljust(40, "0") for name in ("step1", "step2")
    ]
    stored = load_file(folder / "step2/model.safetensors")
    assert points.parameters["lm_head.weight"][1].equal(stored["embed_out.weight"])
    fetched_files = {path.split("/", 4)[4] for path in Hub.asked if "/resolve/" in path}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= fetched_files
    for name in fetched_files:
        assert not name.endswith((".bin", ".py")), name
        assert "/" not in name


def test_a_fetched_model_needs_no_connection(hub: Any, folder: Path) -> None:
    first = fetched("some/model", "step1")
    hub.shutdown()
    hub.server_close()
    assert fetched("some/model", "step1") == first
    with pytest.raises(SettingsError, match=r"some/model at revision 'step2' cannot be fetched"):
        fetched("some/model", "step2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "other/model"}, "model.name: the hub has no model 'other/model'"),
        ({"name": "no name"}, "model.name: 'no name' is no name of a model"),
        ({"revisions": ["step9"]}, "model.revisions: some/model has no revision 'step9'"),
        ({"revisions": []}, "model.revisions: some/model has no revision 'main'"),
    ],
)
def test_the_hub_does_not_have_it(
    hub: Any, folder: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build({**of_hub(folder), **changes}, 0)
    assert message in str(caught.value)


def test_pickles_on_the_hub_are_refused(hub: Any, folder: Path) -> None:
    (folder / "step2/model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="has no weights as safetensors"):
        build(of_hub(folder), 0)


def test_there_is_no_network(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SettingsError, match=r"model\.name: some/model .* check the connection"):
        build(of_hub(folder), 0)
