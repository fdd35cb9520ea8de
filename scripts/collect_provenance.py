"""Where every result behind the figures comes from, from the records that their jobs left."""

from pathlib import Path

from stagewise.step import step
from stagewise.artifacts import written_whole
from stagewise.figures.provenance_page import draw
from stagewise.provenance_table import summary, table

with step(snakemake) as job:  # noqa: F821
    numbers = job.settings["figures"]
    found = table(dict(zip(map(Path, job.input.figures), numbers, strict=True)))
    with written_whole(job.output.page) as temporary:
        temporary.write_text(draw(found, summary(found)), encoding="utf-8")
