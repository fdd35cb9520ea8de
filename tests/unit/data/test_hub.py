"""Corpora of data sets: from a folder here, which the library reads as it reads the hub."""

import json
from pathlib import Path
from typing import Any

import pytest

from stagewise.data.hub import Source, hub_corpus
from stagewise.settings import SettingsError, build

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hub") / "pile"
    made.mkdir()
    rows = [
        {"body": f"{chr(97 + k)} word\n" * 100, "meta": {"set": ("law", "web", "code")[k % 3]}}
        for k in range(24)
    ]
    (made / "train.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))


def source(folder: Path, **other: Any) -> Source:
    settings = {"hub": str(folder), "revision": REVISION, "text": "body"}
    settings |= {"column": "meta.set", "domains": ["law", "web"]}
    return build(Source, settings | other, "source")


def collected(*sources: Source, most: int = 10**6) -> list[Any]:
    return hub_corpus(sources, most=most, held_out=0.25, where="corpora.p.source")


def test_rows_by_domain_up_to_the_limit(folder: Path) -> None:
    found = collected(source(folder))
    assert {document.domain for document in found} == {"law", "web"}
    assert [document.name for document in found[:3]] == [f"{folder}/train/{k}" for k in (0, 1, 3)]
    assert sum(document.held_out for document in found) == 4
    few = collected(source(folder), most=1500)
    assert [document.name for document in few] == [
        f"{folder}/train/{k}" for k in (0, 1, 3, 4, 6, 7)
    ]


def test_a_data_set_a_domain(folder: Path) -> None:
    """As one, without a column; a text that another data set has too counts once."""
    whole = source(folder, column=None, domains=["everything"])
    assert len(collected(whole)) == 24
    found = collected(source(folder), whole)
    assert [document.domain for document in found].count("everything") == 8


def test_what_is_not_there_is_named(folder: Path) -> None:
    for wrong, message in [
        (
            {"column": "meta.sett"},
            r"source\.0\.column: no column 'meta.sett'; there are body, meta",
        ),
        ({"text": "text"}, r"source\.0\.text: no column 'text'"),
        ({"text": "meta"}, r"source\.0\.text: column 'meta' of .* is no text"),
        ({"domains": ["law", "lore"]}, r"source\.0\.domains: .* has no text of 'lore'"),
        ({"split": "tset"}, r"source\.0\.hub: .* split tset, could not be read"),
        ({"hub": f"{folder}/elsewhere"}, r"source\.0\.hub: .*elsewhere at revision 0123.*network"),
    ]:
        with pytest.raises(SettingsError, match=rf"^corpora\.p\.{message}"):
            collected(source(folder, **wrong))


def test_a_name_on_the_hub_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*arguments: Any, **options: Any) -> None:
        assert arguments == ("some/pile", None)
        assert options == {"split": "train", "revision": REVISION, "streaming": True}
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(SettingsError, match=r"^corpora\.p\.source\.0\.hub: some/pile .*no route"):
        collected(Source("some/pile", REVISION, ["law"]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"revision": "main"}, "source.revision: must be 40 hexadecimal digits, got 'main'"),
        ({"domains": []}, "source.domains: must be one name"),
        ({"column": None}, "source.domains: must be one name"),
        ({"colunm": "a"}, "source.colunm: unknown setting"),
    ],
)
def test_wrong_settings(folder: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        source(folder, **wrong)
