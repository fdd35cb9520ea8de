import sys
from pathlib import Path

import yaml

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
from stagewise.settings import SettingsError
from stagewise.slurm_queue import jobs_left

LAYOUT = "1"

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


include: "inputs.smk"
include: "depends.smk"
include: "resources.smk"
