# What jobs depend on beside their files: settings and code, as params.

from inspect import signature

from snakemake.iocontainers import Wildcards
from stagewise.settings import Section, lines
from stagewise.tracking import code_of

# Modules that scripts import by name to read one kind of input.
READERS = ("stagewise.token_streams", "stagewise.training.trajectory")

OF_WILDCARDS = signature(lambda wildcards: None)


def ordered(value):
    """The value with every mapping sorted by key, so that order never causes a rerun."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return value


def corpus_settings(wildcards):
    """What the documents of a corpus depend on."""
    section = config["corpora"][wildcards.corpus]
    return ordered({key: section[key] for key in section if key != "vocabulary"})


def token_settings(wildcards):
    """What its tokens depend on beside the documents."""
    return {"vocabulary": config["corpora"][wildcards.corpus]["vocabulary"]}


def run_settings(wildcards):
    """What a run depends on: the testbed's own settings and the training."""
    section = variant_of(wildcards)
    return ordered(
        {key: section[key] for key in ("model", "training") if key in section}
    )


def retraining_settings(wildcards):
    """What models retrained on subsets depend on: those of the run, and which subsets."""
    retraining = variant_of(wildcards).get("retraining")
    if retraining is None:
        fail(f"testbeds.{wildcards.testbed}.{wildcards.variant}.retraining: missing")
    return {**run_settings(wildcards), "retraining": ordered(retraining)}


def sampling_settings(wildcards):
    """What draws depend on beside the checkpoints: not on how many jobs share the chains."""
    section = variant_of(wildcards)
    sampling = section["sampling"][wildcards.sampling]
    return ordered(
        {
            "model": section.get("model", {}),
            "sampling": {key: sampling[key] for key in sampling if key != "shards"},
        }
    )


def compression_settings(wildcards):
    """What compressed checkpoints depend on beside the checkpoints."""
    section = variant_of(wildcards)
    return ordered(
        {
            "model": section.get("model", {}),
            "compression": section["compression"][wildcards.compression],
        }
    )


def model_settings(wildcards):
    """What scores and outputs depend on beside the checkpoints."""
    return ordered({"model": variant_of(wildcards).get("model", {})})


def library_settings(wildcards):
    """What influence by a library depends on beside the checkpoints: only TRAK projects."""
    if getattr(wildcards, "library", "traker") != "traker":
        return model_settings(wildcards)
    rivals = config["papers"]["bif"]["library"]["rivals"]
    return {**model_settings(wildcards), "projection": rivals["projection"]}


def curvature_settings(wildcards):
    """What the curvature table depends on beside the checkpoints."""
    model = variant_of(wildcards).get("model", {})
    return ordered({"model": model, **config["curvature"]})


def train_modules(wildcards):
    """Modules a training script imports by a name from its wildcards and inputs."""
    reader = ["stagewise.token_streams"] if tokens(wildcards) else []
    return [f"stagewise.testbeds.{wildcards.testbed}", *reader]


def sample_modules(wildcards):
    """Modules the sampling script imports by a name from its wildcards and settings."""
    kernel = variant_of(wildcards)["sampling"][wildcards.sampling]["kernel"]
    return [*train_modules(wildcards), f"stagewise.samplers.{kernel}"]


def of_wildcards(function):
    """The function of a job's wildcards, with its signature at hand: Snakemake looks at that three
    times for each param of each job, which is a quarter of the time of planning.
    """
    function.__signature__ = OF_WILDCARDS
    return function


def in_places(found, most):
    """That many params, one for each of the texts that `found` makes of a job's wildcards, and
    empty ones after them. Snakemake compares the params of a job as a set.
    """
    known = {}

    def place(number):
        def of_job(wildcards):
            job = tuple(wildcards)
            if job not in known:
                known[job] = found(wildcards)
                if len(known[job]) > most:
                    raise AssertionError(f"{len(known[job])} texts, {most} params")
            return known[job][number] if number < len(known[job]) else ""

        return of_wildcards(of_job)

    return [place(number) for number in range(most)]


def code(script, modules=(), among=()):
    """One param per source file of the library and the script that a job reaches: its digest. So
    the reason for a rerun names exactly the files whose code changed.

    modules  what the script imports by a name: a list, or a function of a job's wildcards, and
    among    then the packages whose modules they can be, one of each, beside readers
    """

    def reached(*names):
        try:
            return code_of(ROOT, script, *names)
        except FileNotFoundError as error:
            fail(error)
        except SyntaxError as error:
            fail(f"{error.filename}, line {error.lineno}: {error.msg}")

    # The empty one keeps results of versions that had one for every file.
    if not callable(modules):
        return [*reached(*modules).values(), ""]
    always = reached()

    def beside(*names):
        return [text for path, text in reached(*names).items() if path not in always]

    most = len(beside(*READERS))
    for package in among:
        found = (ROOT / "src" / "stagewise" / package).glob("[a-z]*.py")
        names = [f"stagewise.{package}.{path.stem}" for path in found]
        most += max((len(beside(name)) for name in names), default=0)
    return [
        *always.values(),
        *in_places(lambda wildcards: beside(*modules(wildcards)), most),
        "",
    ]


def runs(kind=None):
    """Wildcards of the jobs on runs: of every run, or of every sampling or compression of one."""
    return [
        Wildcards(fromdict={"testbed": testbed, "variant": variant, **named})
        for testbed, family in config["testbeds"].items()
        for variant, section in family.items()
        for named in (
            [{kind: name} for name in section.get(kind, {})] if kind else [{}]
        )
    ]


def retrained():
    """Wildcards of the jobs that retrain."""
    return [run for run in runs() if "retraining" in variant_of(run)]


def corpora():
    """Wildcards of the jobs on a corpus."""
    return [Wildcards(fromdict={"corpus": name}) for name in config.get("corpora", {})]


def measured():
    """Wildcards of the jobs that measure a part of a paper and have settings."""
    return [
        Wildcards(fromdict={"slug": slug, "part": part})
        for slug, parts in config["papers"].items()
        for part in parts
    ]


def settings(find, jobs):
    """One param per setting of a step, so that the reason for a rerun shows the settings that
    changed and no others: as many as the longest of these jobs has. `find` maps wildcards to the
    settings.
    """
    most = max((len(lines(find(job))) for job in jobs), default=0)
    return in_places(lambda wildcards: lines(find(wildcards)), most)


def part_settings(wildcards):
    """The section of the configuration for one part of a paper's measurement."""
    return ordered(config["papers"].get(wildcards.slug, {}).get(wildcards.part, {}))


def part_modules(wildcards):
    """Modules that measuring a part of a paper imports by a name from its wildcards and inputs."""
    listed = [path for found in part_inputs(wildcards).values() for path in found]
    read = {
        "stagewise.training.trajectory": "checkpoints.safetensors",
        "stagewise.token_streams": "tokens.safetensors",
    }
    readers = [
        reader
        for reader, end in read.items()
        if any(path.endswith(end) for path in listed)
    ]
    return [f"stagewise.findings.{wildcards.slug}_{wildcards.part}", *readers]
