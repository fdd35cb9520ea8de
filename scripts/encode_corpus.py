"""Trains the tokenizer of a corpus, and encodes its documents."""

from stagewise.step import step
from stagewise import corpora, token_streams
from stagewise.artifacts import written_whole
from stagewise.data.tokens import encoded, trained_tokenizer

with step(snakemake) as job:  # noqa: F821
    documents = corpora.load_documents(job.input.documents)
    texts = [document.text for document in documents if not document.held_out]
    tokenizer = trained_tokenizer(
        texts, job.settings["vocabulary"], where=f"corpora.{job.wildcards.corpus}"
    )
    with written_whole(job.output.tokenizer) as temporary:
        tokenizer.save(str(temporary))
    token_streams.save(job.output.tokens, encoded(tokenizer, documents), job.provenance())
