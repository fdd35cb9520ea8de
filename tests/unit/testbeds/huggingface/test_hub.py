"""A model of the user's own, from a hub."""

import json
import pickle
import shutil
import socket
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub.constants
import pytest
from language_models import settings
from safetensors.torch import load_file

from stagewise.artifacts import ArtifactError
from stagewise.hub import fetched
from stagewise.settings import SettingsError
from stagewise.testbeds.huggingface import build


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
