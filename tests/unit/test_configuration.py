"""The configuration: every mistake is named before a job runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from stagewise.configuration import (
    check_configuration,
    check_figures,
    check_page,
    check_parts,
)
from stagewise.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "src" / "stagewise"


def schema(name: str) -> Any:
    return yaml.safe_load((ROOT / "workflow" / "schemas" / name).read_text())


def sound() -> dict[str, Any]:
    sampling = {"kernel": "sgld", "steps": 10, "burn_in": 2, "chains": 2, "localization": 1.0}
    training = {"configurations": [{"learning_rate": 0.1}], "steps": 10}
    run = {"seeds": [0], "model": {}, "training": training, "sampling": {"main": sampling}}
    kept = {"scheme": "pruning", "most": 1.0, "least": 0.1}
    run["compression"] = {"all": {"schemes": {"kept": kept}, "tolerances": [0.1]}}
    ours = yaml.safe_load((ROOT / "config.yaml").read_text())
    return ours | {"papers": {}, "testbeds": {"polynomial": {"some": run}}}


def checked(config: dict[str, Any]) -> None:
    check_configuration(config, schema("config.schema.yaml"), LIBRARY)


def test_ours_and_the_smallest_are_sound() -> None:
    checked(sound())
    checked(yaml.safe_load((ROOT / "config.yaml").read_text()))


COMPRESSION = ["testbeds", "polynomial", "some", "compression", "all"]
TRAINED = ["testbeds", "polynomial", "some", "training", "configurations", 0]
EMPHASIS = {"distribution": "rare", "share": 0.5, "start": 0, "end": 5}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["scle"], 1, "scle: unknown setting; did you mean 'scale'?"),
        (["scale"], "huge", "scale: 'huge' is not one of"),
        (["llc", "level"], 1.5, "llc.level: 1.5"),
        (["testbeds", "polynomal"], {}, "did you mean 'polynomial'?"),
        (["testbeds", "polynomial", "some", "seeds"], [], "some.seeds: must not be empty"),
        (["testbeds", "polynomial", "some", "seeds"], [1, 1], "some.seeds: "),
        (["testbeds", "polynomial", "some", "sampling", "main", "stesp"], 1, "main.stesp: unknown"),
        (["testbeds", "polynomial", "some", "sampling", "main", "kernel"], "sgdl", "main.kernel: "),
        (["testbeds", "polynomial", "some", "sampling", "main", "burn_in"], 10, "main.burn_in: "),
        (["testbeds", "polynomial", "some", "sampling", "main", "n"], [9, 9], "main.n: "),
        (["testbeds", "polynomial", "some", "training", "steps"], 0, "training.steps: "),
        (["testbeds", "polynomial", "some", "training", "start"], "somme", "start: somme is not"),
        (["testbeds", "polynomial", "some", "training", "start"], "some", "some -> some has no be"),
        ([*TRAINED, "emphasis"], EMPHASIS, "emphasis: is on minibatches; give a `batch`"),
        ([*TRAINED, "emphasis"], EMPHASIS | {"share": 2}, "emphasis.share: 2 is greater"),
        ([*TRAINED, "emphasis"], EMPHASIS | {"until": 3}, "emphasis.until: unknown setting"),
        ([*COMPRESSION, "tolerances"], [], "all.tolerances: must not be empty"),
        ([*COMPRESSION, "tolerence"], [0.1], "all.tolerence: unknown setting; did you mean"),
        ([*COMPRESSION, "schemes", "kept", "scheme"], "prune", "kept.scheme: 'prune' is not"),
        ([*COMPRESSION, "schemes", "kept", "draws"], 4, "kept.draws: pruning is the same"),
    ],
)
def test_mistakes_are_named(path: list[Any], value: Any, message: str) -> None:
    config = sound()
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(SettingsError) as caught:
        checked(config)
    assert message in str(caught.value)


def test_missing_keys_are_named() -> None:
    config = sound()
    del config["testbeds"]["polynomial"]["some"]["sampling"]["main"]["chains"]
    with pytest.raises(SettingsError, match=r"testbeds\.polynomial\.some\.sampling\.main\.chains"):
        checked(config)


def test_all_mistakes_are_told_at_once() -> None:
    config = sound()
    config["one"] = config["two"] = 1
    with pytest.raises(SettingsError, match=r"(?s)one: unknown.*two: unknown"):
        checked(config)


def test_papers_and_parts_must_exist() -> None:
    parts = {"llc": {"potentials": {}}}
    check_parts({"llc": {"potentials": {}}}, parts)
    with pytest.raises(SettingsError, match=r"papers\.lcl: there is no such paper.*'llc'"):
        check_parts({"lcl": {}}, parts)
    with pytest.raises(SettingsError, match=r"papers\.llc\.potential: .*'potentials'"):
        check_parts({"llc": {"potential": {}}}, parts)


def test_pages() -> None:
    claim = {"id": "C1", "says": "x", "where": "y", "statistic": "s", "condition": "<= 1"}
    page = {
        "figure": 1,
        "slug": "llc",
        "title": "t",
        "authors": "a",
        "year": 2023,
        "arxiv": ["1"],
        "claims": [claim | {"scales": ["default"]}],
    }
    rules = schema("paper.schema.yaml")
    check_page(page, rules, Path("llc.yaml"))
    for change, message in [
        ({"slug": "tms"}, "expected 'llc'"),
        ({"claims": [claim]}, "scales"),
        ({"claims": [page["claims"][0]] * 2}, "2 claims have the id 'C1'"),
        ({"claims": [{**page["claims"][0], "condition": "in [2, 1]"}]}, "claim C1: condition"),
        ({"colour": "red"}, "colour: unknown"),
    ]:
        with pytest.raises(SettingsError) as caught:
            check_page(copy.deepcopy(page) | change, rules, Path("llc.yaml"))
        assert message in str(caught.value)
    check_figures({"a": {"figure": 1}, "b": {"figure": 2}})
    with pytest.raises(SettingsError, match="a and b are both figure 1"):
        check_figures({"a": {"figure": 1}, "b": {"figure": 1}})
