"""Configurations gone wrong in every way that the schema and a keyboard allow."""

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from copies import ROOT
from hypothesis import strategies as st

SCHEMA: dict[str, Any] = yaml.safe_load(
    (ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")
)

Path = tuple[str | int, ...]


class Fuzzed(NamedTuple):
    """One configuration file."""

    kinds: tuple[str, ...]
    """What was done to it."""
    text: str


def paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """Of everything in a configuration, itself excepted."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield (*start, key)
        if isinstance(below, dict | list):
            yield from paths(below, (*start, key))


def schema_at(path: Path) -> dict[str, Any]:
    """The schema of what stands there; an empty one, which allows everything, if it has none."""
    found = SCHEMA
    for key in path:
        if "$ref" in found:
            found = SCHEMA["$defs"][found["$ref"].rsplit("/", 1)[1]]
        if isinstance(key, int):
            found = found.get("items", {})
        else:
            found = found.get("properties", {}).get(key, found.get("additionalProperties", {}))
        if not isinstance(found, dict):
            return {}
    return SCHEMA["$defs"][found["$ref"].rsplit("/", 1)[1]] if "$ref" in found else found


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, -1, 10**9, 1e-300, 1e300, math.nan, math.inf, -math.inf]),
    st.floats(allow_subnormal=False),  # the engine has them flushed to zero
    st.text(max_size=8),
    st.sampled_from(["", " ", "all", "auto", "2", "1e-3", "../..", "a/b", "{x}", "(", "a|b", "*"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema allows, as far as it says: small ones, so that they could be run."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(choice) for choice in schema["anyOf"]])
    kinds = schema.get("type", [])
    found = []
    least = schema.get("minimum", schema.get("exclusiveMinimum", -3))
    most = schema.get("maximum", schema.get("exclusiveMaximum", least + 100))
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "integer":
            found.append(st.integers(math.ceil(least), math.floor(most)))
        elif kind == "number":
            bounds = {"exclude_min": True, "exclude_max": True, "allow_subnormal": False}
            found.append(st.floats(least, most, **bounds))
        elif kind == "string":
            found.append(st.text(min_size=1, max_size=8))
        elif kind == "boolean":
            found.append(st.booleans())
        elif kind == "null":
            found.append(st.none())
        elif kind == "array":
            found.append(st.lists(fitting(schema.get("items", {})), max_size=3))
    return st.one_of(found) if found else ANYTHING


def misspelt(name: str) -> st.SearchStrategy[str]:
    """The name with a letter lost, doubled, swapped or another."""
    return st.integers(0, max(0, len(name) - 1)).flatmap(
        lambda at: st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + name[at : at + 1] * 2 + name[at + 1 :],
                name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :],
                name[:at] + "x" + name[at + 1 :],
                name.upper(),
            ]
        )
    )


def _holder(config: Any, path: Path) -> Any:
    for key in path[:-1]:
        config = config[key]
    return config


@st.composite
def broken(draw: st.DrawFn, start: Mapping[str, Any]) -> Fuzzed:
    """The configuration after one to three changes of random kinds at random places."""
    config: dict[str, Any] = copy.deepcopy(dict(start))
    done = []
    for _ in range(draw(st.integers(1, 3))):
        places = sorted(paths(config), key=str)
        if not places:
            break
        path = draw(st.sampled_from(places))
        holder, last = _holder(config, path), path[-1]
        kind = draw(
            st.sampled_from(["another", "another", "fitting", "missing", "misspelt", "unknown"])
        )
        if kind == "another":
            holder[last] = draw(ANYTHING)
        elif kind == "fitting":
            holder[last] = draw(fitting(schema_at(path)))
        elif kind == "missing":
            del holder[last]
        elif isinstance(last, str) and kind == "misspelt":
            holder[draw(misspelt(last))] = holder.pop(last)
        elif isinstance(holder, dict):
            kind = "unknown"
            holder[draw(st.text(max_size=8) | st.integers() | st.none())] = draw(ANYTHING)
        else:
            kind = "longer"
            holder.append(draw(ANYTHING))
        done.append(kind)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    if draw(st.integers(0, 9)) == 0:
        done.append("text")
        text = _slipped(draw, text)
    return Fuzzed(tuple(done), text)


def _slipped(draw: st.DrawFn, text: str) -> str:
    """A file edited with a slip of the hand: a line lost, twice, moved in, or cut by a sign."""
    lines = text.splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    cut = draw(st.integers(0, len(line)))
    sign = draw(
        st.sampled_from([":", "-", "{", "[", "]", "'", '"', "&x", "*x", "#", "\t", "%", "!"])
    )
    lines[at : at + 1] = draw(
        st.sampled_from([[], [line, line], ["   " + line], [line[:cut] + sign + line[cut:]]])
    )
    return "\n".join(lines) + "\n"


def plain(text: str) -> bool:
    """Whether what was printed is fit for a user: a message, not the innards of a program."""
    return not any(sign in text for sign in ("Traceback", 'File "', ".smk", "site-packages"))
