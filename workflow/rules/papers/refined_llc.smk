LANGUAGE_RULES = ("rules64", "rules256", "rules1024")


def of_language(file):
    """`file` of every seed of the language model."""
    return of_runs("synthetic_language", "language", file)


def of_rules(file):
    """`file` of every model that differs from it in the number of rules."""
    return [
        path
        for variant in LANGUAGE_RULES
        for path in of_runs("synthetic_language", variant, file)
    ]


PARTS["refined_llc"] = {
    "types": {
        "heads": of_language("heads/draws.nc"),
        "behaviour": of_language("behaviour.csv"),
    },
    "roles": {
        "heads": of_language("heads/draws.nc"),
        "heads_strong": of_language("heads_strong/draws.nc"),
        "behaviour": of_language("behaviour.csv"),
    },
    "data": {
        "behaviour": of_language("behaviour.csv"),
        "mixture": of_language("heads/draws.nc"),
        **{
            source: of_language(f"{source}/draws.nc")
            for source in ("repeats", "rules", "markov", "brackets")
        },
    },
    "memory": {
        "heads": of_rules("heads/draws.nc"),
        "parts": of_rules("parts/draws.nc"),
        "behaviour": of_rules("behaviour.csv"),
    },
    "circuit": {
        "heads": of_language("heads/draws.nc")[:1],
        "pairs": of_language("pairs/draws.nc")[:1],
        "behaviour": of_language("behaviour.csv")[:1],
    },
    "bounds": {
        "parts": of_language("parts/draws.nc"),
        "heads": of_language("heads/draws.nc"),
        "heads_weak": of_language("heads_weak/draws.nc"),
        "heads_strong": of_language("heads_strong/draws.nc"),
    },
    "controls": {},
}


rule figure_refined_llc:
    input:
        **part_tables("refined_llc"),
    output:
        pdf=report(
            "<results>/figure7.pdf",
            caption="../../report/refined_llc.rst",
            category="Figures",
            labels={"figure": "7", "paper": "refined_llc"},
        ),
        png="<results>/figure7.png",
    log:
        "<logs>/refined_llc/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("draw_figure.py", lambda wildcards: ["stagewise.figures.refined_llc"]),
        settings={"slug": "refined_llc"},
    script:
        "../../../scripts/draw_figure.py"
