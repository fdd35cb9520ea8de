"""Draws a paper's figure from its tables."""

from importlib import import_module

from stagewise.step import step
from stagewise import tables
from stagewise.artifacts import written_whole
from stagewise.figures.style import save_figure, styled

with step(snakemake) as job:  # noqa: F821
    found = {part: tables.load(job.input[part]) for part in job.input.keys()}  # noqa: SIM118
    with styled():
        figure = import_module(f"stagewise.figures.{job.settings['slug']}").draw(found)
        for path in (job.output.pdf, job.output.png):
            with written_whole(path) as temporary:
                save_figure(figure, temporary)
