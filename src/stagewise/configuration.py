"""Checks a configuration and the papers' pages, with messages that name the key.

Everything that can be known before a job runs is checked here, without importing torch, so that
a dry run tells it.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from stagewise.data.hub import Source
from stagewise.engine.compressions import Compressions
from stagewise.engine.sampling import Sampling
from stagewise.findings.condition import parse_condition
from stagewise.samplers.options import options
from stagewise.settings import SettingsError, build
from stagewise.training.retraining import Retraining
from stagewise.training.training import Training


def _path(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path)


def _hint(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _message(error: ValidationError) -> str:
    where = _path(error)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        return "\n".join(
            f"{where}.{key}: unknown setting; {_hint(str(key), known)}".lstrip(".")
            for key in sorted(set(error.instance) - set(known), key=str)
        )
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return "\n".join(f"{where}.{key}: missing".lstrip(".") for key in missing)
    if error.validator == "pattern" and "propertyNames" in error.absolute_schema_path:
        return f"{where}.{error.instance}: a name may hold letters, digits, _ and - only"
    if error.validator in ("anyOf", "oneOf"):
        return f"{where}: {error.instance!r} is none of the forms allowed here"
    if error.validator == "minItems" and not error.instance:
        return f"{where}: must not be empty"
    return f"{where}: {error.message}".removeprefix(": ")


def _raise(source: str, messages: list[str]) -> None:
    if messages:
        listed = "\n".join(dict.fromkeys(messages))
        raise SettingsError(f"{source} cannot be used:\n{listed}")


def check(values: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> None:
    """Raises SettingsError listing every key of `values` that the schema does not allow."""
    errors = sorted(Draft202012Validator(schema).iter_errors(values), key=_path)
    _raise(source, [_message(error) for error in errors])


def check_configuration(
    config: Mapping[str, Any], schema: Mapping[str, Any], library: Path
) -> None:
    """Raises SettingsError naming every setting that no step could use.

    The schema first; then what hangs together across keys, as the steps themselves check it; and
    that every testbed and sampler is a module below `library`, the folder of the package.
    """
    _raise("The configuration", [*_wrong_keys(config)])
    check(config, schema, "The configuration")
    _raise("The configuration", [*_wrong_corpora(config), *_wrong_steps(config, library)])


def _wrong_keys(section: Any, where: str = "") -> Iterator[str]:
    """YAML reads a key such as 1, yes or ~ as something that no step could be told by name."""
    if isinstance(section, list):
        section = dict(zip(map(str, range(len(section))), section, strict=True))
    if isinstance(section, Mapping):
        for key, value in section.items():
            if not isinstance(key, str):
                yield f"{where}{key!r}: keys must be text; write it in quotes"
            yield from _wrong_keys(value, f"{where}{key}.")


def _wrong_corpora(config: Mapping[str, Any]) -> Iterator[str]:
    corpora = config.get("corpora", {})
    for name, section in corpora.items():
        if "packages" in section and section["source"] != "installed":
            yield f"corpora.{name}.packages: only of `source: installed`"
        for place, source in enumerate(section["source"]):
            if section["source"] != "installed":
                yield from _wrong(Source, source, f"corpora.{name}.source.{place}")
    for testbed, family in config["testbeds"].items():
        for variant, section in family.items():
            wanted = section.get("model", {}).get("corpus")
            if wanted is not None and wanted not in corpora:
                where = f"testbeds.{testbed}.{variant}.model.corpus"
                yield (
                    f"{where}: there is no corpora.{wanted}; {_hint(str(wanted), sorted(corpora))}"
                )


def _wrong_start(family: Mapping[str, Any], variant: str, where: str) -> Iterator[str]:
    """A start that no training of the testbed makes, or that leads back to the variant itself."""
    passed = [variant]
    while wanted := family[passed[-1]].get("training", {}).get("start"):
        if "training" not in family.get(wanted, {}):
            known = sorted(name for name, section in family.items() if "training" in section)
            yield f"{where}: {wanted} is not trained; {_hint(wanted, known)}"
            return
        if wanted in passed:
            yield f"{where}: {' -> '.join([*passed, wanted])} has no beginning"
            return
        passed.append(wanted)


def _wrong_steps(config: Mapping[str, Any], library: Path) -> Iterator[str]:
    testbeds, samplers = _modules(library / "testbeds"), _modules(library / "samplers")
    for testbed, family in config["testbeds"].items():
        if testbed not in testbeds:
            yield (
                f"testbeds.{testbed}: there is no src/stagewise/testbeds/{testbed}.py; "
                f"{_hint(testbed, testbeds)}"
            )
        for variant, section in family.items():
            where = f"testbeds.{testbed}.{variant}"
            if "training" in section:
                yield from _wrong(Training, section["training"], f"{where}.training")
                yield from _wrong_start(family, variant, f"{where}.training.start")
            if "retraining" in section:
                yield from _wrong(Retraining, section["retraining"], f"{where}.retraining")
                if "training" not in section:
                    yield f"{where}.retraining: needs `training`, whose recipe it repeats"
            for name, compression in section.get("compression", {}).items():
                yield from _wrong(Compressions, compression, f"{where}.compression.{name}")
            for name, sampling in section.get("sampling", {}).items():
                yield from _wrong(Sampling, sampling, f"{where}.sampling.{name}")
                if sampling["kernel"] not in samplers:
                    yield (
                        f"{where}.sampling.{name}.kernel: there is no "
                        f"src/stagewise/samplers/{sampling['kernel']}.py; "
                        f"{_hint(sampling['kernel'], samplers)}"
                    )
                else:
                    own, where_own = sampling.get("options", {}), f"{where}.sampling.{name}.options"
                    yield from _wrong_options(sampling["kernel"], own, where_own)


def _modules(folder: Path) -> list[str]:
    """Modules of a folder that implement its interface: not those that say what it is or that
    several of them share."""
    interfaces = {"__init__", "testbed", "target", "metropolis", "options"}
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in interfaces)


def _wrong(kind: type[Any], values: Mapping[str, Any], where: str) -> Iterator[str]:
    try:
        build(kind, values, where)
    except SettingsError as error:
        yield str(error)


def _wrong_options(sampler: str, values: Mapping[str, Any], where: str) -> Iterator[str]:
    try:
        options(sampler, values, where)
    except SettingsError as error:
        yield str(error)


def check_parts(
    papers: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raises SettingsError for settings of a paper or a part that does not exist.

    papers  the section `papers` of the configuration: slug -> part -> settings
    parts   slug -> part -> its inputs
    """
    wrong = []
    for slug, section in papers.items():
        if slug not in parts:
            wrong.append(f"papers.{slug}: there is no such paper; {_hint(slug, sorted(parts))}")
            continue
        for part in section:
            if part not in parts[slug]:
                known = _hint(part, sorted(parts[slug]))
                wrong.append(f"papers.{slug}.{part}: there is no such part; {known}")
    _raise("The configuration", wrong)


def check_page(page: Any, schema: Mapping[str, Any], path: Path) -> None:
    """Raises SettingsError naming what is wrong with one paper's page."""
    source = f"workflow/papers/{path.name}"
    check(page, schema, source)
    wrong = []
    if page["slug"] != path.stem:
        wrong.append(f"slug: is {page['slug']!r}, expected {path.stem!r}, the name of the file")
    for name, count in Counter(claim["id"] for claim in page["claims"]).items():
        if count > 1:
            wrong.append(f"claims: {count} claims have the id {name!r}")
    for claim in page["claims"]:
        if "condition" in claim:
            try:
                parse_condition(claim["condition"])
            except SettingsError as error:
                wrong.append(f"claim {claim['id']}: {error}")
    _raise(source, wrong)


def check_figures(pages: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises SettingsError if two pages claim the same figure."""
    owners: dict[int, str] = {}
    for slug, page in pages.items():
        other = owners.setdefault(page["figure"], slug)
        if other != slug:
            raise SettingsError(
                f"workflow/papers: {other} and {slug} are both figure {page['figure']}"
            )
