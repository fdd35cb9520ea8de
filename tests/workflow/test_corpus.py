"""A corpus and what is trained on it: made once, made again for the reasons given and no others."""

import json
from pathlib import Path

import pandas as pd
import pytest
from copies import Copy, tiny

pytestmark = pytest.mark.workflow

CORPUS = "results/corpus/little"
RUN = "results/text/small/seed0"
SETTINGS = {"source": "installed", "most": 60_000, "held_out": 0.1, "vocabulary": 300}
VARIANT = {
    "seeds": [0],
    "model": {
        "corpus": "little",
        "length": 16,
        "block": [3, 6],
        "train": 200,
        "test": 20,
        "alone": 8,
        "refined": 20,
        "width": 8,
        "heads": 2,
    },
    "training": {"configurations": [{"learning_rate": 0.1, "batch": 8}], "steps": 8},
    "sampling": {
        "sgld": {
            "kernel": "sgld",
            "n": [100],
            "localization": 100.0,
            "epsilon": 1e-4,
            "batch": 8,
            "steps": 8,
            "burn_in": 2,
            "chains": 2,
            "distribution": "code",
            "components": ["1:0"],
            "observables": {"blocks": {"keep": "covariance"}},
        }
    },
}
WANTED = [f"{RUN}/{file}" for file in ("behaviour.csv", "outputs.nc", "sgld/llc.csv")]
TRAINED = {
    "train text/small/seed0/checkpoints",
    "behaviour text/small/seed0/behaviour",
    "outputs text/small/seed0/outputs",
    "sample text/small/seed0/sgld/draws",
    "llc text/small/seed0/sgld/llc",
}
TOKENS = {"tokens corpus/little/tokenizer"} | TRAINED
EVERYTHING = {"corpus corpus/little/documents"} | TOKENS


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A small corpus with a model trained on it. Not to be changed."""
    copy = tiny(tmp_path_factory.mktemp("read") / "copy")
    copy.configure("corpora", to={"little": SETTINGS})
    copy.configure("testbeds", "text", to={"small": VARIANT})
    assert set(copy.plan(*WANTED)) == EVERYTHING
    copy.made(*WANTED)
    return copy


@pytest.fixture
def done(read: Copy, tmp_path: Path) -> Copy:
    """The same, to be changed."""
    return read.duplicate(tmp_path / "done")


def test_files_of_a_corpus(read: Copy) -> None:
    documents = pd.read_parquet(read.path / CORPUS / "documents.parquet")
    record = json.loads((read.path / CORPUS / "corpus.json").read_text())
    assert list(documents.columns) == ["domain", "name", "text", "held_out"]
    for domain, part in record["documents"].items():
        apart = documents[(documents["domain"] == domain) & documents["held_out"]]
        assert part["test"]["documents"] == len(apart) > 0
        assert part["test"]["characters"] == apart["text"].str.len().sum()
    assert len(record["digest"]) == 64
    assert set(record["packages"]) == set(documents["name"].str.partition("/")[0])
    scores = pd.read_csv(read.path / RUN / "behaviour.csv")
    assert {"loss", "loss_text", "loss_code", "prefix 1:1", "bigram_gap"} <= set(scores.columns)
    assert list(scores["step"]) == [0, 8]


def test_what_is_made_again(done: Copy) -> None:
    assert done.plan(*WANTED) == {}
    done.append("src/stagewise/token_streams.py")
    plan = done.plan(*WANTED)
    assert set(plan) == TOKENS
    assert "src/stagewise/token_streams.py" in plan["tokens corpus/little/tokenizer"]
    done.append("src/stagewise/data/corpus.py")
    assert set(done.plan(*WANTED)) == EVERYTHING


def test_jobs_without_a_corpus_do_not_depend_on_it(done: Copy) -> None:
    run = "results/line/fits/seed0/checkpoints.safetensors"
    done.made(run)
    done.append("src/stagewise/token_streams.py")
    assert done.plan(run) == {}


def test_another_vocabulary_keeps_the_documents(done: Copy) -> None:
    done.configure("corpora", "little", "vocabulary", to=310)
    plan = done.plan(*WANTED)
    assert set(plan) == TOKENS
    assert "vocabulary = 310" in plan["tokens corpus/little/tokenizer"]


def test_another_corpus_leaves_this_one(done: Copy) -> None:
    done.configure("corpora", "other", to=SETTINGS | {"most": 70_000})
    assert done.plan(*WANTED) == {}


def failed(copy: Copy, target: str, message: str) -> None:
    ended = copy.snakemake(target)
    assert ended.status == 1, ended.text
    assert "Traceback" not in ended.text
    assert f"stagewise: {message}" in ended.text
    assert not (copy.path / target).exists()


def test_another_text_than_the_digest_says(done: Copy) -> None:
    record = json.loads((done.path / CORPUS / "corpus.json").read_text())
    documents = f"{CORPUS}/documents.parquet"
    done.configure("corpora", "little", "digest", to="0" * 64)
    failed(done, documents, f"corpora.little.digest: the corpus has the digest {record['digest']}")
    done.configure("corpora", "little", "digest", to=record["digest"])
    done.made(documents)


def test_too_large_a_vocabulary(done: Copy) -> None:
    done.configure("corpora", "little", "vocabulary", to=60_000)
    failed(
        done,
        f"{CORPUS}/tokens.safetensors",
        "corpora.little.vocabulary: the training text gives ",
    )


def test_wrong_configurations_end_before_anything_runs(done: Copy) -> None:
    source = {"hub": "some/pile", "revision": "main", "domains": ["law"]}
    done.configure("corpora", "little", "source", to=[source])
    done.configure("testbeds", "text", "small", "model", "corpus", to="litle")
    ended = done.snakemake("--dry-run", *WANTED)
    assert ended.status == 1, ended.text
    assert "corpora.little.source.0.revision: must be 40 hexadecimal digits" in ended.text
    assert (
        "testbeds.text.small.model.corpus: there is no corpora.litle; did you mean 'little'?"
        in ended.text
    )
