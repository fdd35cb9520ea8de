LANGUAGE = ("synthetic_language", "language")
REGRESSION = ("in_context_regression", "regression")

PARTS["developmental_landscape"] = {
    "sampler": {"llc": of_runs("gaussian", "flat", "sgld/draws.nc")},
    "language_stages": {
        "llc": of_runs(*LANGUAGE, "sgld/draws.nc"),
        "local": of_runs(*LANGUAGE, "local/draws.nc"),
        "behaviour": of_runs(*LANGUAGE, "behaviour.csv"),
    },
    "language_behaviour": {"behaviour": of_runs(*LANGUAGE, "behaviour.csv")},
    "regression_stages": {"llc": of_runs(*REGRESSION, "sgld/draws.nc")},
    "regression_behaviour": {"behaviour": of_runs(*REGRESSION, "behaviour.csv")},
    "essential_dynamics": {
        "language_outputs": of_runs(*LANGUAGE, "outputs.nc"),
        "language_llc": of_runs(*LANGUAGE, "sgld/draws.nc"),
        "regression_outputs": of_runs(*REGRESSION, "outputs.nc"),
        "regression_llc": of_runs(*REGRESSION, "sgld/draws.nc"),
    },
    "text": {"behaviour": of_runs("text", "packages", "behaviour.csv")},
}


rule figure_developmental_landscape:
    input:
        **part_tables("developmental_landscape"),
    output:
        pdf="<results>/figure6.pdf",
        png=report(
            "<results>/figure6.png",
            caption="../../report/developmental_landscape.rst",
            category="Figures",
            labels=figure_labels(PAGES["developmental_landscape"]),
        ),
    log:
        "<logs>/developmental_landscape/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code(
            "draw_figure.py",
            ["stagewise.figures.developmental_landscape"],
        ),
        settings={"slug": "developmental_landscape"},
    script:
        "../../../scripts/draw_figure.py"
