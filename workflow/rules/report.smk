report: "../report/workflow.rst"


rule judge:
    # One paper's claims: what was measured, held against what the page says.
    input:
        measured="<results>/{slug}/measured.json",
        page="workflow/papers/{slug}.yaml",
    output:
        table="<results>/{slug}/claims.csv",
    log:
        "<logs>/{slug}/judge.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("judge_claims.py"),
        settings=ordered({"scale": config["scale"]}),
    script:
        "../../scripts/judge_claims.py"


rule claims:
    # Every paper's claims in one table, in the order of the figures.
    input:
        tables=[f"{config['results']}/{slug}/claims.csv" for slug in PAGES],
    output:
        table="<results>/claims.csv",
        page=report(
            "<results>/claims.html",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "all claims"},
        ),
    log:
        "<logs>/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_claims.py"),
        settings={"scale": config["scale"]},
    script:
        "../../scripts/collect_claims.py"


rule reliability:
    # Diagnostics and gates of every set of draws that a figure rests on.
    input:
        draws=lambda wildcards: list(sampled()),
    output:
        table="<results>/reliability.csv",
        page=report(
            "<results>/reliability.html",
            caption="../report/reliability.rst",
            category="Reliability",
            labels={"table": "diagnostics of all chains"},
        ),
    log:
        "<logs>/reliability.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        *code("collect_reliability.py"),
        settings=lambda wildcards: {"figures": list(sampled().values())},
    script:
        "../../scripts/collect_reliability.py"


rule provenance:
    # Where every result behind the figures comes from, as their records say.
    input:
        figures=[
            f"{config['results']}/figure{page['figure']}.png"
            for page in PAGES.values()
        ],
    output:
        page=report(
            "<results>/provenance.html",
            caption="../report/provenance.rst",
            category="Provenance",
            labels={"table": "all jobs behind the figures"},
        ),
    log:
        "<logs>/provenance.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_provenance.py"),
        settings={"figures": [page["figure"] for page in PAGES.values()]},
    script:
        "../../scripts/collect_provenance.py"


rule gallery:
    # The figures and claims of this run, copied to where the README shows them.
    input:
        figures=[
            f"{config['results']}/figure{page['figure']}.png"
            for page in PAGES.values()
        ],
        pages=companion_pages(config["results"]),
        claims="<results>/claims.csv",
    output:
        figures=[f"docs/gallery/figure{page['figure']}.png" for page in PAGES.values()],
        pages=companion_pages("docs/gallery"),
        claims="docs/gallery/claims.csv",
        page="docs/gallery/README.md",
    log:
        "<logs>/gallery.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("fill_gallery.py"),
        settings={},
    script:
        "../../scripts/fill_gallery.py"
