"""Draws the page that a figure's map of tokens is read with."""

from importlib import import_module

from stagewise.step import step
from stagewise import tables
from stagewise.artifacts import written_whole

with step(snakemake) as job:  # noqa: F821
    table = tables.load(job.input.tokens)
    slug = job.settings["slug"]
    found = import_module(f"stagewise.figures.{slug}_companion").draw(table)
    with written_whole(job.output.page) as temporary:
        temporary.write_text(found, encoding="utf-8")
