# Language models, and those that differ in the number of rules; figure 6 has the first, too.
LANGUAGE_MODEL = ("synthetic_language", "language")
RULES = ("rules64", "rules256", "rules1024")

PARTS["refined_llc"] = {
    "types": {
        "heads": of_runs(*LANGUAGE_MODEL, "heads/draws.nc"),
        "behaviour": of_runs(*LANGUAGE_MODEL, "behaviour.csv"),
        "ablations": of_runs(*LANGUAGE_MODEL, "ablations.csv"),
    },
    "roles": {
        "heads": of_runs(*LANGUAGE_MODEL, "heads/draws.nc"),
        "heads_strong": of_runs(*LANGUAGE_MODEL, "heads_strong/draws.nc"),
        "behaviour": of_runs(*LANGUAGE_MODEL, "behaviour.csv"),
        "ablations": of_runs(*LANGUAGE_MODEL, "ablations.csv"),
    },
    "data": {
        "behaviour": of_runs(*LANGUAGE_MODEL, "behaviour.csv"),
        "ablations": of_runs(*LANGUAGE_MODEL, "ablations.csv"),
        "mixture": of_runs(*LANGUAGE_MODEL, "heads/draws.nc"),
        **{
            source: of_runs(*LANGUAGE_MODEL, f"{source}/draws.nc")
            for source in ("repeats", "rules", "markov", "brackets")
        },
    },
    "memory": {
        "heads": of_variants("synthetic_language", RULES, "heads/draws.nc"),
        "parts": of_variants("synthetic_language", RULES, "parts/draws.nc"),
        "behaviour": of_variants("synthetic_language", RULES, "behaviour.csv"),
        "ablations": of_variants("synthetic_language", RULES, "ablations.csv"),
    },
    "circuit": {
        "heads": of_runs(*LANGUAGE_MODEL, "heads/draws.nc")[:1],
        "pairs": of_runs(*LANGUAGE_MODEL, "pairs/draws.nc")[:1],
        "behaviour": of_runs(*LANGUAGE_MODEL, "behaviour.csv")[:1],
    },
    "bounds": {
        "parts": of_runs(*LANGUAGE_MODEL, "parts/draws.nc"),
        "heads": of_runs(*LANGUAGE_MODEL, "heads/draws.nc"),
        "heads_weak": of_runs(*LANGUAGE_MODEL, "heads_weak/draws.nc"),
        "heads_strong": of_runs(*LANGUAGE_MODEL, "heads_strong/draws.nc"),
    },
    "controls": {},
}


rule figure_refined_llc:
    input:
        **part_tables("refined_llc"),
    output:
        pdf="<results>/figure7.pdf",
        png=report(
            "<results>/figure7.png",
            caption="../../report/refined_llc.rst",
            category="Figures",
            labels=figure_labels(PAGES["refined_llc"]),
        ),
    log:
        "<logs>/refined_llc/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.refined_llc"]),
        settings={"slug": "refined_llc"},
    script:
        "../../../scripts/draw_figure.py"
