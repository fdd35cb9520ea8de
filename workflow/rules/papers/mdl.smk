# Language models of several sizes, and runs that each differ from the first kind in one way.
LANGUAGE = config["papers"]["mdl"]["language"]
SIZES = [variant for variants in LANGUAGE["runs"].values() for variant in variants]
SCRAMBLED = config["papers"]["mdl"]["controls"]["variants"]
RUNS = config["papers"]["mdl"]["runs"]["variants"]

PARTS["mdl"] = {
    "code": {},
    "plateaus": {
        "critical": of_runs("deep_linear", "staircase", "matrices/critical.csv"),
        "curvature": of_runs("deep_linear", "staircase", "curvature.csv"),
        "sgld": of_runs("deep_linear", "staircase", "sgld/draws.nc"),
        "exact": of_runs("deep_linear", "staircase_exact", "gibbs/draws.nc"),
    },
    "language": {
        "critical": of_variants(LANGUAGE["testbed"], SIZES, "matrices/critical.csv"),
        "fixed": of_variants(LANGUAGE["testbed"], SIZES, "fixed/draws.nc"),
        "relative": of_variants(LANGUAGE["testbed"], SIZES, "relative/draws.nc"),
    },
    "runs": {
        "critical": of_variants("gpt_neox", RUNS, "matrices/critical.csv"),
        "fixed": of_variants("gpt_neox", RUNS, "fixed/draws.nc"),
        "relative": of_variants("gpt_neox", RUNS, "relative/draws.nc"),
    },
    "bytes": {"coded": of_variants(LANGUAGE["testbed"], SIZES, "matrices/coded.csv")},
    "controls": {
        "critical": of_variants("gpt_neox", SCRAMBLED, "matrices/critical.csv"),
        "fixed": of_variants("gpt_neox", SCRAMBLED, "fixed/draws.nc"),
        "permuted": of_variants("gpt_neox", SCRAMBLED, "permuted/draws.nc"),
        "permuted_critical": of_variants(
            "gpt_neox", SCRAMBLED, "permuted/critical.csv"
        ),
        "gaussian": of_variants("gpt_neox", SCRAMBLED, "gaussian/draws.nc"),
        "gaussian_critical": of_variants(
            "gpt_neox", SCRAMBLED, "gaussian/critical.csv"
        ),
    },
}


rule figure_mdl:
    input:
        **part_tables("mdl"),
    output:
        pdf="<results>/figure2.pdf",
        png=report(
            "<results>/figure2.png",
            caption="../../report/mdl.rst",
            category="Figures",
            labels=figure_labels(PAGES["mdl"]),
        ),
    log:
        "<logs>/mdl/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.mdl"]),
        settings={"slug": "mdl"},
    script:
        "../../../scripts/draw_figure.py"
