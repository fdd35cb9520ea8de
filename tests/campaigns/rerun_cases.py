"""Changes of code, settings and pages, and which jobs each must reach."""

import ast
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from copies import ROOT, Copy
from filled import Job

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text())
PAGES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "workflow/papers").glob("*.yaml"))
}


class Case(NamedTuple):
    """One change and what it must reach."""

    kind: str
    what: str
    change: Callable[[Copy], None]
    reached: Callable[[Job], bool]
    """Jobs that the change itself reaches."""
    shown: str = ""
    """What their reason must name: the file or the setting."""


def no_job(job: Job) -> bool:
    """Nothing runs."""
    return False


def of_rule(*rules: str) -> Callable[[Job], bool]:
    """All jobs of these rules."""
    return lambda job: job.rule in rules


def appended(file: str, text: str = "\nADDED = 1\n") -> Callable[[Copy], None]:
    """Adds lines to the file."""
    return lambda copy: copy.append(file, text)


def configured(*keys: str | int, to: Any) -> Callable[[Copy], None]:
    """Sets one key of config.yaml."""
    return lambda copy: copy.configure(*keys, to=to)


def code_cases() -> Iterator[Case]:
    """Modules and scripts: of every figure, and shared ones."""
    for slug in PAGES:
        file = f"src/stagewise/figures/{slug}.py"
        yield Case("figure module", file, appended(file), of_rule(f"figure_{slug}"), file)
        modules = sorted((ROOT / "src/stagewise/findings").glob(f"{slug}_*.py"))
        for path in modules:
            part = path.stem.removeprefix(f"{slug}_")
            # Longer slugs may start like this one; and helpers of findings are not parts.
            if any(other != slug and path.stem.startswith(f"{other}_") for other in PAGES):
                continue
            if "def measure(" not in path.read_text() or _imported(path.stem):
                continue
            name = f"measure {slug}/{part}.csv"
            yield Case(
                "finding module",
                f"src/stagewise/findings/{path.name}",
                appended(f"src/stagewise/findings/{path.name}"),
                lambda job, name=name: job.name == name,
                path.name,
            )
            break
    for script, rules in {
        "train_run": ["train"],
        "sample_posterior": ["sample"],
        "measure_part": ["measure"],
        "judge_claims": ["judge"],
        "draw_figure": [f"figure_{slug}" for slug in PAGES],
        "collect_corpus": ["corpus"],
        "compress_checkpoints": ["compress"],
    }.items():
        file = f"scripts/{script}.py"
        yield Case("script", file, appended(file), of_rule(*rules), file)
    yield Case(
        "sampler",
        "src/stagewise/samplers/hmc.py",
        appended("src/stagewise/samplers/hmc.py"),
        lambda job: job.rule == "sample" and _sampling_of(job)["kernel"] == "hmc",
        "samplers/hmc.py",
    )
    yield Case(
        "style of figures",
        "src/stagewise/figures/style.py",
        appended("src/stagewise/figures/style.py"),
        lambda job: job.rule.startswith("figure_") or job.rule == "companion",
        "figures/style.py",
    )
    yield Case(
        "testbed",
        "src/stagewise/testbeds/superposition.py",
        appended("src/stagewise/testbeds/superposition.py"),
        lambda job: (
            any(output.startswith("results/superposition/") for output in job.outputs)
            and job.rule not in ("llc", "influence", "susceptibilities")
        ),
        "testbeds/superposition.py",
    )


def _imported(finding: str) -> bool:
    """Whether another finding imports this one."""
    return any(
        re.search(rf"findings(\.{finding}| import .*\b{finding})\b", path.read_text())
        for path in (ROOT / "src/stagewise/findings").glob("*.py")
    )


def _sampling_of(job: Job) -> dict[str, Any]:
    testbed, variant, _, sampling, *_ = job.outputs[0].removeprefix("results/").split("/")
    found: dict[str, Any] = CONFIG["testbeds"][testbed][variant]["sampling"][sampling]
    return found


def setting_cases() -> Iterator[Case]:
    """One setting of every kind: of a run of every testbed, of every paper, of every corpus."""
    for testbed, family in CONFIG["testbeds"].items():
        for variant, section in [*family.items()][:1]:
            where = f"results/{testbed}/{variant}/"
            for sampling in [*section.get("sampling", {})][:1]:
                steps = section["sampling"][sampling].get("steps")
                if isinstance(steps, int):
                    yield Case(
                        "a sampling's setting",
                        f"testbeds.{testbed}.{variant}.sampling.{sampling}.steps",
                        configured(
                            "testbeds",
                            testbed,
                            variant,
                            "sampling",
                            sampling,
                            "steps",
                            to=steps + 1,
                        ),
                        lambda job, where=where, end=f"/{sampling}/draws.nc": any(
                            output.startswith(where) and output.endswith(end)
                            for output in job.outputs
                        ),
                        "sampling.steps = ",
                    )
            if "training" in section and isinstance(section["training"].get("steps"), int):
                yield Case(
                    "a training's setting",
                    f"testbeds.{testbed}.{variant}.training.steps",
                    configured(
                        "testbeds",
                        testbed,
                        variant,
                        "training",
                        "steps",
                        to=section["training"]["steps"] + 1,
                    ),
                    lambda job, where=where: (
                        job.rule in ("train", "retrain") and job.outputs[0].startswith(where)
                    ),
                    "training.steps = ",
                )
    for slug, parts in CONFIG["papers"].items():
        for part, section in parts.items():
            key = next((key for key, value in section.items() if type(value) in (int, float)), None)
            if key is not None:
                yield Case(
                    "a finding's setting",
                    f"papers.{slug}.{part}.{key}",
                    configured("papers", slug, part, key, to=section[key] * 2),
                    lambda job, name=f"measure {slug}/{part}.csv": job.name == name,
                    f"{key} = ",
                )
                break
    for name, section in CONFIG["corpora"].items():
        yield Case(
            "a corpus's setting",
            f"corpora.{name}.most",
            configured("corpora", name, "most", to=section["most"] + 1000),
            lambda job, name=name: job.name.startswith(f"corpus corpus/{name}/"),
            "most",
        )
    yield Case(
        "the level of intervals",
        "llc.level",
        configured("llc", "level", to=0.8),
        of_rule("measure"),
        "0.8",
    )


def page_cases() -> Iterator[Case]:
    """Every paper's page."""
    for slug in PAGES:
        file = f"workflow/papers/{slug}.yaml"
        yield Case(
            "page",
            file,
            appended(file, "# a remark\n"),
            lambda job, name=f"judge {slug}/claims.csv": job.name == name,
            file,
        )


def _sources(copy: Copy) -> list[Path]:
    found = [*(copy.path / "src").rglob("*.py"), *(copy.path / "scripts").glob("*.py")]
    return [path for path in found if path.stat().st_size]


def _comment(copy: Copy) -> None:
    for path in _sources(copy):
        path.write_text(path.read_text() + "\n# A remark.\n")
    copy.append("config.yaml", "# A remark.\n")


def _reformat(copy: Copy) -> None:
    for path in _sources(copy):
        path.write_text(ast.unparse(ast.parse(path.read_text())) + "\n")


def _touch(copy: Copy) -> None:
    later = time.time() + 5
    for folder in ("src", "scripts", "workflow", "profiles"):
        for path in (copy.path / folder).rglob("*"):
            os.utime(path, (later, later))


def _reorder(copy: Copy) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    text = (copy.path / "config.yaml").read_text()
    copy.edit(
        "config.yaml", lambda _: yaml.safe_dump(backwards(yaml.safe_load(text)), sort_keys=False)
    )


def _profile(copy: Copy) -> None:
    copy.edit("profiles/default/profile.yaml", lambda text: text.replace("cores: all", "cores: 1"))


def harmless_cases() -> Iterator[Case]:
    """Changes that change nothing."""
    for what, change in {
        "a comment in every module": _comment,
        "every module reformatted": _reformat,
        "every file of the code touched": _touch,
        "keys of config.yaml in another order": _reorder,
        "another number of cores in the profile": _profile,
        "a testbed beside": configured("testbeds", "gaussian", "new", to={"seeds": [3]}),
        "a module beside": lambda copy: (
            copy.path / "src/stagewise/samplers/another.py"
        ).write_text("ANSWER = 42\n"),
    }.items():
        yield Case("harmless", what, change, no_job)
