# Which files jobs read.

from stagewise.pretrained import own_files


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


def own_files_of(wildcards):
    """Files of the user's own that a job reads beside the trajectory; none but of their models."""
    if wildcards.testbed != "huggingface":
        return []
    try:
        return own_files(variant_of(wildcards).get("model", {}))
    except SettingsError as error:
        fail(f"testbeds.huggingface.{wildcards.variant}.{error}")


def shards(wildcards):
    """The draws of the jobs that share the chains of a sampling; nothing where one has them all."""
    count = variant_of(wildcards)["sampling"][wildcards.sampling].get("shards", 1)
    run = f"{wildcards.testbed}/{wildcards.variant}/seed{wildcards.seed}"
    return [
        f"{config['results']}/{run}/{wildcards.sampling}/shard{shard}of{count}.nc"
        for shard in range(1, count + 1)
        if count > 1
    ]


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


def part_inputs(wildcards):
    """Named files that one part of a paper's measurement reads."""
    return PARTS[wildcards.slug][wildcards.part]


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
