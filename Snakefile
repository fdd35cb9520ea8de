"""stagewise: the results of the singular learning theory papers, figure by figure."""

import os

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"


config = without_nulls(config)
checked_config()
PAGES = pages()
SAMPLINGS = sorted({name for _, _, name in samplings()})


pathvars:
    results=config["results"],
    logs=f"logs/{config['scale']}",


wildcard_constraints:
    testbed="|".join(sorted(config["testbeds"])),
    seed=r"\d+",
    sampling="|".join(SAMPLINGS) or "none",
    compression="|".join(sorted(compressions())) or "none",
    slug="|".join(sorted(PAGES)),
    corpus="|".join(sorted(config.get("corpora", {}))) or "none",


onstart:
    start_results()


rule all:
    default_target: True
    input:
        [f"{config['results']}/figure{page['figure']}.pdf" for page in PAGES.values()],
        companion_pages(config["results"]),
        report_pages(),


for stage in ("data", "train", "sample", "behaviour", "estimate", "report"):

    include: f"workflow/rules/{stage}.smk"


for slug in PAGES:

    include: f"workflow/rules/papers/{slug}.smk"


include: "workflow/rules/companion.smk"
include: "workflow/rules/plan.smk"


checked(check_parts, config["papers"], PARTS)
