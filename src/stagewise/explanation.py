"""The text that says where a result comes from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stagewise.lineage import (
    AS_MADE,
    MISSING,
    Input,
    Result,
    ancestry,
    changed_code,
    inputs,
    total_seconds,
    troubles,
)
from stagewise.provenance import versions
from stagewise.settings import lines

ALIKE = 3
"""Inputs of one rule that are shown before the rest are counted."""


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def explanation(made: Result, root: Path, *, depth: int, full: bool) -> str:
    """Everything about a result that has a record.

    root   of the repository, whose code and packages are compared with the record's
    depth  levels of inputs shown; `full` shows all, and every setting, module and version
    """
    record = made.record
    assert record is not None
    below = ancestry(made)
    facts = {
        "made": f"{record['finished']} by rule {record['rule']}{_names(record['wildcards'])}",
        "file": f"{made.state}, SHA-256 {record['sha256'][:16]}",
        "took": f"{duration(record['seconds'])}; {duration(total_seconds(made))} with all "
        f"{len(below)} jobs that it rests on",
        "on": f"{record['host']}; {record['threads']} thread{'s' * (record['threads'] != 1)}",
        "seeds": ", ".join(_seeds(below)) or "none of its own: see its inputs",
        "settings": _several(lines(record["settings"]), full) or "none",
        "code": _code(made, root, full),
        "versions": _versions(record["versions"], full),
    }
    if record["made_with"]:
        facts["together"] = "with " + ", ".join(record["made_with"])
    text = [str(made.path), *(f"  {name:<9} {fact}" for name, fact in facts.items())]
    text += ["  inputs", *_tree(made, 2, depth, full, {made.job})]
    found = troubles(made)
    gone = [path for path, state in found.items() if state == MISSING]
    other = [f"  {path}: {state}" for path, state in found.items() if state != MISSING]
    if other:
        text += ["", "Not what the records say:", *other]
    if gone:
        text += ["", "No longer there:", *(f"  {path}" for path in gone)]
    return "\n".join(text)


def _names(wildcards: dict[str, str]) -> str:
    return "".join(f", {name} {value}" for name, value in sorted(wildcards.items()))


def _seeds(below: Sequence[Result]) -> list[str]:
    """Of all runs that the result rests on."""
    found: dict[str, set[int]] = {}
    for one in below:
        wildcards = (one.record or {}).get("wildcards", {})
        if "seed" in wildcards:
            run = f"{wildcards['testbed']}/{wildcards['variant']}"
            found.setdefault(run, set()).add(int(wildcards["seed"]))
    return [f"{run} {', '.join(map(str, sorted(found[run])))}" for run in sorted(found)]


def _several(texts: Sequence[str], full: bool) -> str:
    """One below the other; the first few if not `full`."""
    shown = list(texts) if full else list(texts)[:12]
    if len(shown) < len(texts):
        shown.append(f"… {len(texts) - len(shown)} more: --full")
    return ("\n" + " " * 12).join(shown)


def _code(made: Result, root: Path, full: bool) -> str:
    assert made.record is not None
    modules, changed = made.record["modules"], changed_code(made, root)
    state = f"differs now: {', '.join(changed)}" if changed else "the same now"
    text = f"commit {made.record['code']}; {len(modules)} files, {state}"
    if full:
        text += "\n" + " " * 12 + _several([f"{name} {d}" for name, d in modules.items()], full)
    return text


def _versions(then: dict[str, str], full: bool) -> str:
    now = versions()
    found = [
        f"{name} {version}" + (f" (now {now.get(name)})" if now.get(name) != version else "")
        for name, version in then.items()
        if full or name in ("python", "torch", "numpy", "snakemake") or now.get(name) != version
    ]
    return ", ".join(found)


def _tree(
    made: Result, level: int, depth: int, full: bool, seen: set[tuple[str, ...]]
) -> Iterator[str]:
    """A line for each input and, below it, for its own; what was shown before is not again."""
    listed = inputs(made)
    shown: Counter[str] = Counter()
    for one in listed:
        rule = (one.result.record or {}).get("rule", "")
        shown[rule] += 1
        if rule and not full and shown[rule] > ALIKE and one.state == AS_MADE:
            continue
        again = one.result.job in seen
        seen.add(one.result.job)
        yield "  " * level + _line(one, again)
        if one.result.record and not again:
            if full or level - 1 < depth:
                yield from _tree(one.result, level + 1, depth, full, seen)
            elif inputs(one.result):
                yield "  " * (level + 1) + "…"
    for rule, count in shown.items():
        if rule and not full and count > ALIKE:
            yield "  " * level + f"… {count} of rule {rule}: --full"


def _line(one: Input, again: bool) -> str:
    record: Any = one.result.record
    if record is None:
        state = "as it was" if one.state == AS_MADE else one.state
        return f"{one.result.path}  ({state})"
    about = f"{record['rule']}, {duration(record['seconds'])}"
    state = "" if one.state == AS_MADE else f"; {one.state.upper()}"
    return f"{one.result.path}  ({about}{state}{'; see above' if again else ''})"
