"""Checks a configuration or a paper's page against its schema, with messages that name the key."""

import difflib
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from stagewise.settings import SettingsError


def _path(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path)


def _message(error: ValidationError) -> str:
    where = _path(error)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        lines = []
        for key in sorted(set(error.instance) - set(known)):
            name = f"{where}.{key}" if where else key
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            lines.append(f"{name}: unknown setting; {hint}")
        return "\n".join(lines)
    if error.validator in ("anyOf", "oneOf"):
        return f"{where}: {error.instance!r} is none of the forms allowed here"
    return f"{where or 'configuration'}: {error.message}"


def check(values: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> None:
    """Raises SettingsError listing every key of `values` that the schema does not allow."""
    errors = sorted(Draft202012Validator(schema).iter_errors(values), key=_path)
    if errors:
        listed = "\n".join(_message(error) for error in errors)
        raise SettingsError(f"{source} has settings that cannot be used:\n{listed}")
