"""Settings of one step: a frozen dataclass built from a section of the configuration."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Section:
    """The settings of a step as a script receives them.

    Snakemake does not compare objects of its users' classes: what it compares, and prints as the
    reason of a rerun, are the `lines` of the settings, one param each.
    """

    values: dict[str, Any]


def lines(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """'key.key = value' for every setting, sorted; a mapping in a list counts as one more level."""
    found: list[str] = []
    for key in sorted(values):
        value = values[key]
        if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            value = {str(place): item for place, item in enumerate(value)}
        if isinstance(value, Mapping) and value:
            found += lines(value, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key} = {value!r}")
    return found


class SettingsError(ValueError):
    """A setting is unknown, missing, of the wrong type or out of range; the message names it."""


def _accepts(value: Any, annotation: Any) -> bool:
    if annotation is Any:
        return True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_accepts(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(_accepts(v, arguments[0]) for v in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping)
    if annotation is None or annotation is types.NoneType:
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, annotation)


def _nested(value: Any, annotation: Any, where: str) -> Any:
    """Mappings that stand for a dataclass, alone, in a list or by name, built; anything else as
    it is."""
    inner = [kind for kind in typing.get_args(annotation) if dataclasses.is_dataclass(kind)]
    own = annotation if dataclasses.is_dataclass(annotation) else next(iter(inner), None)
    if own is None:
        return value
    kind = typing.cast(type, own)
    if typing.get_origin(annotation) in (dict, Mapping) and isinstance(value, Mapping):
        return {key: _nested(item, kind, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Mapping):
        return build(kind, value, where)
    if isinstance(value, list):
        return [_nested(item, kind, f"{where}.{place}") for place, item in enumerate(value)]
    return value


def build(kind: type[T], settings: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `kind` from `settings`, every key accounted for.

    `where` is the section's name, for messages. Raises SettingsError for an unknown key, a
    missing one, or a value that does not fit its annotation.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    for key in settings:
        if key not in fields:
            raise SettingsError(f"{where}.{key}: unknown setting; expected {', '.join(fields)}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in settings:
            raise SettingsError(f"{where}.{name}: missing")
    settings = {
        key: _nested(value, hints[key], f"{where}.{key}") for key, value in settings.items()
    }
    for key, value in settings.items():
        if not _accepts(value, hints[key]):
            expected = getattr(hints[key], "__name__", str(hints[key]))
            raise SettingsError(f"{where}.{key}: expected {expected}, got {value!r}")
    try:
        return kind(**settings)
    except ValueError as error:
        raise SettingsError(f"{where}.{error}") from error
