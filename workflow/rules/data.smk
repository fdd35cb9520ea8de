rule corpus:
    # The documents of a corpus: text of the installed packages, or of pinned data sets.
    output:
        documents="<results>/corpus/{corpus}/documents.parquet",
        record="<results>/corpus/{corpus}/corpus.json",
    log:
        "<logs>/corpus/{corpus}/corpus.log",
    benchmark:
        "<logs>/corpus/{corpus}/corpus.tsv"
    priority: 2  # training waits for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        *code("collect_corpus.py"),
        *settings(corpus_settings, corpora()),
        settings=lambda wildcards: Section(corpus_settings(wildcards)),
    script:
        "../../scripts/collect_corpus.py"


rule tokens:
    # Its tokenizer, and its documents as streams of tokens.
    input:
        documents="<results>/corpus/{corpus}/documents.parquet",
    output:
        tokenizer="<results>/corpus/{corpus}/tokenizer.json",
        tokens="<results>/corpus/{corpus}/tokens.safetensors",
    log:
        "<logs>/corpus/{corpus}/tokens.log",
    benchmark:
        "<logs>/corpus/{corpus}/tokens.tsv"
    priority: 2  # training waits for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        *code("encode_corpus.py"),
        *settings(token_settings, corpora()),
        settings=lambda wildcards: Section(token_settings(wildcards)),
    script:
        "../../scripts/encode_corpus.py"


rule text:
    # Its documents as one file, for models that bring their own tokenizer.
    input:
        documents="<results>/corpus/{corpus}/documents.parquet",
    output:
        text="<results>/corpus/{corpus}/text.txt",
    log:
        "<logs>/corpus/{corpus}/text.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        *code("write_text.py"),
        settings={},
    script:
        "../../scripts/write_text.py"
