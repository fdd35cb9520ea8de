"""Writes the documents of a corpus as one file of text, between them an empty line."""

from stagewise.step import step
from stagewise import corpora
from stagewise.artifacts import written_whole

with step(snakemake) as job:  # noqa: F821
    documents = corpora.load_documents(job.input.documents)
    with written_whole(job.output.text) as temporary:
        temporary.write_text("\n\n".join(d.text for d in documents), encoding="utf-8")
