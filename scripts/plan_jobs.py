"""Plans a whole run without running it: what it would take, and how long on how many GPUs."""

from pathlib import Path

from stagewise.step import step
from stagewise.planning import tables
from stagewise.planning.jobs import planned
from stagewise.tables import save

with step(snakemake) as job:  # noqa: F821
    jobs = planned(["all"], job.settings["overlay"], Path(job.input.snakefile))
    jobs = [found for found in jobs if found.outputs]
    of_figures = tables.figures(jobs, job.settings["figures"])
    save(job.output.plan, tables.resources(jobs, of_figures))
    save(job.output.schedule, tables.schedules(jobs, of_figures, job.settings["clusters"]))
