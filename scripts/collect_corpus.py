"""Collects the documents of a corpus."""

from stagewise.step import step
from stagewise import corpora
from stagewise.data.corpus import check, corpus, digest, installed
from stagewise.data.hub import Source, hub_corpus
from stagewise.settings import build

with step(snakemake) as job:  # noqa: F821
    name, settings = job.wildcards.corpus, job.settings
    where, source = f"corpora.{name}", job.settings["source"]
    if source == "installed":
        files = installed(packages=settings.get("packages"))
        documents = corpus(files, most=settings["most"], held_out=settings["held_out"])
    else:
        documents = hub_corpus(
            [build(Source, one, f"{where}.source.{place}") for place, one in enumerate(source)],
            most=settings["most"],
            held_out=settings["held_out"],
            where=f"{where}.source",
        )
    if "digest" in settings:
        check(documents, settings["digest"], f"{where}.digest")
    corpora.save_documents(job.output.documents, documents)
    record = {"digest": digest(documents), "documents": corpora.counts(documents)}
    if source == "installed":
        record["packages"] = corpora.packages(documents)
    corpora.save_record(job.output.record, record | {"provenance": job.provenance()})
