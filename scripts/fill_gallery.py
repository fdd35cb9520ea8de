"""Copies figures and claims into docs/gallery, with a page that shows them."""

from pathlib import Path
from shutil import copyfile

import pandas as pd

from stagewise.step import step
from stagewise.artifacts import written_whole
from stagewise.figures.gallery import page

with step(snakemake) as job:  # noqa: F821
    claims = pd.read_csv(job.input.claims, keep_default_na=False)
    with written_whole(job.output.claims) as temporary:
        copyfile(job.input.claims, temporary)
    shown = {*zip(job.input.figures, job.output.figures, strict=True)}
    shown |= {*zip(job.input.pages, job.output.pages, strict=True)}
    for source, destination in sorted(shown):
        with written_whole(destination) as temporary:
            copyfile(source, temporary)
    with written_whole(job.output.page) as temporary:
        names = [Path(destination).name for _, destination in sorted(shown)]
        temporary.write_text(page(claims, names))
