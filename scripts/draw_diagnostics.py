"""Draws the diagnostics of a draws file on one page."""

from stagewise.step import step
from stagewise.artifacts import written_whole
from stagewise.engine import draws
from stagewise.figures.diagnostics import draw
from stagewise.figures.style import save_figure, styled

with step(snakemake) as job:  # noqa: F821
    found = draws.load(job.input.draws)
    with styled():
        figure = draw(found, " ".join(map(str, job.wildcards)))
        for path in (job.output.pdf, job.output.png):
            with written_whole(path) as temporary:
                save_figure(figure, temporary)
