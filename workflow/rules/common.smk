import sys
from functools import cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import yaml
from snakemake.iocontainers import Wildcards

ROOT = Path(workflow.basedir)
if str(ROOT / "src") not in sys.path:
    sys.path.insert(0, str(ROOT / "src"))
# Jobs are other Python processes: they find the package the same way, installed or not.
os.environ.update(
    PYTHONPATH=os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
    MPLBACKEND="Agg",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_DISABLE_TELEMETRY="1",
)

from snakemake.logging import logger
from stagewise.configuration import (
    check_configuration,
    check_figures,
    check_page,
    check_parts,
)
from stagewise.lineage import unknown_to_snakemake
from stagewise.planning.estimates import Estimates
from stagewise.pretrained import own_files
from stagewise.settings import Section, SettingsError, lines
from stagewise.slurm_queue import jobs_left
from stagewise.tracking import code_of

LAYOUT = "1"

# Modules that scripts import by name to read one kind of input.
READERS = ("stagewise.token_streams", "stagewise.training.trajectory")

OF_WILDCARDS = signature(lambda wildcards: None)

# Where PyYAML was built with libyaml, pages and schemas are read in a fifth of the time.
YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# slug -> part -> named input files; each paper's rule file adds its own.
PARTS = {}


def schema(name):
    """A JSON schema of this workflow."""
    return yaml.load((ROOT / "workflow" / "schemas" / name).read_text(), YAML)


def fail(message):
    """Ends Snakemake with one message. A WorkflowError would come with the lines of our files."""
    sys.exit(f"stagewise: {message}")


def checked(check, *arguments):
    """Calls the check; what it finds ends the run as one message."""
    try:
        check(*arguments)
    except SettingsError as error:
        fail(error)


def without_nulls(section):
    """The section without the keys that are null: this is how an overlay takes something away."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if value is not None
    }


def checked_config():
    """Ends the run with one message, naming every key, if the configuration cannot be used."""
    checked(
        check_configuration,
        config,
        schema("config.schema.yaml"),
        ROOT / "src" / "stagewise",
    )
    folder = Path(config["results"])
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            fail(f"results: {part} is a file; name another folder, or move it away")
    if folder.is_dir() and any(folder.iterdir()):
        marker = folder / ".layout"
        found = marker.read_text().strip() if marker.is_file() else "none"
        if found != LAYOUT:
            fail(
                f"{folder}/ was made with results layout {found}, this version writes layout "
                f"{LAYOUT}: move the folder away or set `results:` to another"
            )
        if workflow.is_main_process and unknown_to_snakemake(
            folder, Path(".snakemake/metadata")
        ):
            logger.warning(
                f"{folder}/ was moved or copied here: Snakemake knows nothing of the settings and "
                f"code it was made with, and goes by the files' times alone. What is stale: "
                f"python scripts/explain.py --stale"
            )


def start_results():
    """Marks the results folder with its layout; one message if it cannot be written, or if jobs of
    a launch that was killed would write there as well.
    """
    left = jobs_left(Path.cwd())
    if left:
        fail(
            f"{len(left)} jobs of an earlier launch are still in Slurm's queue and would write the "
            f"same files: wait until they have ended, or run: scancel {' '.join(left)}"
        )
    folder = Path(config["results"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".layout").write_text(LAYOUT)
    except OSError as error:
        fail(
            f"cannot write to the results folder {folder} ({error.strerror}): check its "
            f"permissions or set `results:` to another folder"
        )


def ordered(value):
    """The value with every mapping sorted by key, so that order never causes a rerun."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return value


def variant_of(wildcards):
    """The section of the configuration for the run of a job."""
    return config["testbeds"][wildcards.testbed][wildcards.variant]


def trained():
    """A regular expression of the variants that are trained; the others are known points."""
    found = {
        variant
        for family in config["testbeds"].values()
        for variant, section in family.items()
        if "training" in section
    }
    return "|".join(sorted(found)) or "none"


def checkpoints(wildcards):
    """The trajectory of a job's run; nothing where the testbed knows the points."""
    if "training" not in variant_of(wildcards):
        return []
    run = f"{wildcards.testbed}/{wildcards.variant}/seed{wildcards.seed}"
    return f"{config['results']}/{run}/checkpoints.safetensors"


def start(wildcards):
    """The trajectory that a job's models start at the end of; nothing for fresh weights."""
    variant = variant_of(wildcards)["training"].get("start")
    if not variant:
        return []
    run = f"{wildcards.testbed}/{variant}/seed{wildcards.seed}"
    return f"{config['results']}/{run}/checkpoints.safetensors"


def tokens(wildcards):
    """The tokens of the corpus of a job's run; nothing where its testbed has none."""
    corpus = variant_of(wildcards).get("model", {}).get("corpus")
    if not corpus or wildcards.testbed == "huggingface":
        return []
    return f"{config['results']}/corpus/{corpus}/tokens.safetensors"


def text(wildcards):
    """The text of the corpus of a model of the user's own, which has its own tokenizer."""
    corpus = variant_of(wildcards).get("model", {}).get("corpus")
    if not corpus or wildcards.testbed != "huggingface":
        return []
    return f"{config['results']}/corpus/{corpus}/text.txt"


def memory(wildcards):
    """Megabytes that jobs on the checkpoints of a variant may take. As `working_mb` it is what a
    job plans with, at every attempt alike, so that a second one has more room and not more work.
    """
    return variant_of(wildcards).get("memory_mb", 4000)


@cache
def estimates():
    """Of the jobs of this configuration."""
    return Estimates(config)


def job_of(rule, wildcards):
    """What estimates know a job by: its rule, and what that makes of which run."""
    known = wildcards.keys()
    names = ("testbed", "variant", "sampling", "compression")
    own = f"{rule}_shard" if "shard" in known else rule
    return [own, *(wildcards[name] for name in names if name in known)]


def minutes(rule, least):
    """Time limit of a job of that rule: several times its estimate, and at least so much."""
    return lambda wildcards: estimates().minutes(least, *job_of(rule, wildcards))


def seconds(rule):
    """What a job of that rule should take; for plans."""
    return lambda wildcards: estimates().seconds(*job_of(rule, wildcards))


def megabytes(rule):
    """What a job of that rule should leave behind; for plans."""
    return lambda wildcards: estimates().megabytes(*job_of(rule, wildcards))


def growing(amount):
    """A resource that is asked for once, twice, three times... at a job's first, second, third...
    attempt, as a cluster makes after a failure: the amount is a number, or a function of wildcards.
    """

    def asked(wildcards, attempt):
        return attempt * (amount(wildcards) if callable(amount) else amount)

    return asked


def own_files_of(wildcards):
    """Files of the user's own that a job reads beside the trajectory; none but of their models."""
    if wildcards.testbed != "huggingface":
        return []
    try:
        return own_files(variant_of(wildcards).get("model", {}))
    except SettingsError as error:
        fail(f"testbeds.huggingface.{wildcards.variant}.{error}")


def samplings():
    """(testbed, variant, sampling) of every sampling in the configuration."""
    return [
        (testbed, variant, name)
        for testbed, family in config["testbeds"].items()
        for variant, section in family.items()
        for name in section.get("sampling", {})
    ]


def compressions():
    """The names that compressions have in the configuration."""
    return {
        name
        for family in config["testbeds"].values()
        for section in family.values()
        for name in section.get("compression", {})
    }


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


def shards(wildcards):
    """The draws of the jobs that share the chains of a sampling; nothing where one has them all."""
    count = variant_of(wildcards)["sampling"][wildcards.sampling].get("shards", 1)
    run = f"{wildcards.testbed}/{wildcards.variant}/seed{wildcards.seed}"
    return [
        f"{config['results']}/{run}/{wildcards.sampling}/shard{shard}of{count}.nc"
        for shard in range(1, count + 1)
        if count > 1
    ]


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
    """What influence by a library depends on beside the checkpoints."""
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


def custom_tables(wildcards):
    """The LLC tables of a model of the user's own, of every seed and sampling."""
    section = config["testbeds"]["huggingface"][wildcards.variant]
    if not section.get("sampling"):
        fail(f"testbeds.huggingface.{wildcards.variant}.sampling: missing")
    return [
        path
        for sampling in section["sampling"]
        for path in of_runs("huggingface", wildcards.variant, f"{sampling}/llc.csv")
    ]


def custom_influences(wildcards):
    """Influence in a model of the user's own, of every seed and sampling that records losses."""
    return of_recording(wildcards.variant, "trace", "bif.nc", "{train: {}}")


def custom_responses(wildcards):
    """Susceptibilities in a model of the user's own, of every seed and sampling that records
    responses."""
    return of_recording(
        wildcards.variant,
        "response",
        "susceptibilities.nc",
        "{train: {keep: response}}",
    )


def of_recording(variant, keep, file, example):
    """That file of the user's model, of every seed and sampling that keeps an observable so."""
    section = config["testbeds"]["huggingface"][variant]
    recording = [
        name
        for name, sampling in section.get("sampling", {}).items()
        if any(
            observation.get("keep", "trace") == keep
            for observation in sampling.get("observables", {}).values()
        )
    ]
    if not recording:
        fail(
            f"testbeds.huggingface.{variant}.sampling: none records losses of samples with keep: "
            f"{keep}; give one `observables: {example}`"
        )
    return [
        path
        for sampling in recording
        for path in of_runs("huggingface", variant, f"{sampling}/{file}")
    ]


# Papers with a page to read their tokens with, and the sampling of the run that it shows.
COMPANIONS = {"susceptibilities": "response", "embryology": "development"}


def companions():
    """Figure -> slug, of those papers."""
    return {str(PAGES[slug]["figure"]): slug for slug in COMPANIONS if slug in PAGES}


def companion_pages(folder):
    """Those pages there."""
    return [f"{folder}/figure{figure}.html" for figure in companions()]


def figure_files(folder):
    """Figure -> its files there."""
    pages = companions()
    return {
        str(page["figure"]): [f"{folder}/figure{page['figure']}.pdf"]
        + [f"{folder}/figure{page['figure']}.html"] * (str(page["figure"]) in pages)
        for page in PAGES.values()
    }


def report_pages():
    """What the report shows beside figures, and the claims as a table."""
    names = ("claims.csv", "claims.html", "reliability.html", "provenance.html")
    return [f"{config['results']}/{name}" for name in names]


def sampled():
    """Draws file -> the figures that rest on it: of every sampling that parts read anything of."""
    found = {}
    for slug, parts in PARTS.items():
        for named in parts.values():
            for listed in named.values():
                for path in [listed] if isinstance(listed, str) else listed:
                    folder = Path(path).parent
                    if folder.name in SAMPLINGS:
                        figures = found.setdefault(f"{folder}/draws.nc", set())
                        figures.add(PAGES[slug]["figure"])
    return {path: sorted(found[path]) for path in sorted(found)}


def part_settings(wildcards):
    """The section of the configuration for one part of a paper's measurement."""
    return ordered(config["papers"].get(wildcards.slug, {}).get(wildcards.part, {}))


def part_inputs(wildcards):
    """Named files that one part of a paper's measurement reads."""
    return PARTS[wildcards.slug][wildcards.part]


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


def part_statistics(wildcards):
    """What every part of a paper's measurement wrote."""
    folder = f"{config['results']}/{wildcards.slug}"
    return [f"{folder}/{part}.json" for part in PARTS[wildcards.slug]]


def part_tables(slug):
    """part -> its table, for a paper's figure."""
    return {part: f"{config['results']}/{slug}/{part}.csv" for part in PARTS[slug]}


def figure_labels(page):
    """How the report lists a paper's figure. Its page sorts labels as text and fails on numbers."""
    return {"figure": f"{page['figure']:02d}", "paper": page["title"]}


def of_runs(testbed, variant, file):
    """`file` of every seed of a variant: a list of paths below the results folder."""
    seeds = config["testbeds"][testbed][variant]["seeds"]
    return [
        f"{config['results']}/{testbed}/{variant}/seed{seed}/{file}" for seed in seeds
    ]


def of_variants(testbed, variants, file):
    """`file` of every seed of every variant, in that order."""
    return [path for variant in variants for path in of_runs(testbed, variant, file)]


def pages():
    """slug -> page of every paper, checked against the schema and against each other."""
    found = {}
    for path in sorted((ROOT / "workflow" / "papers").glob("*.yaml")):
        try:
            page = yaml.load(path.read_text(), YAML)
        except yaml.YAMLError as error:
            fail(f"workflow/papers/{path.name} is not YAML: {error}")
        checked(check_page, page, schema("paper.schema.yaml"), path)
        if not (ROOT / "workflow/rules/papers" / f"{path.stem}.smk").is_file():
            fail(
                f"workflow/papers/{path.name}: there is no workflow/rules/papers/{path.stem}.smk"
            )
        found[page["slug"]] = page
    checked(check_figures, found)
    return found
