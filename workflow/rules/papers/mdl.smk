# Language models of three sizes, and runs that each differ from the first of them in one way.
SIZES = ("narrow", "middle", "wide")
RUNS = (
    "runs_base",
    "runs_narrow",
    "runs_wide",
    "runs_deep",
    "runs_decay",
    "runs_noise10",
    "runs_noise30",
    "runs_memorised50",
    "runs_memorised90",
    "runs_code",
    "runs_prose",
)


PARTS["mdl"] = {
    "code": {},
    "plateaus": {
        "critical": of_runs("deep_linear", "staircase", "matrices/critical.csv"),
        "curvature": of_runs("deep_linear", "staircase", "curvature.csv"),
        "gibbs": of_runs("deep_linear", "staircase", "gibbs/draws.nc"),
        "sgld": of_runs("deep_linear", "staircase", "sgld/draws.nc"),
        "exact": of_runs("deep_linear", "staircase_exact", "gibbs/draws.nc"),
    },
    "language": {
        "critical": of_variants("gpt_neox", SIZES, "matrices/critical.csv"),
        "fixed": of_variants("gpt_neox", SIZES, "fixed/draws.nc"),
        "relative": of_variants("gpt_neox", SIZES, "relative/draws.nc"),
    },
    "runs": {
        "critical": of_variants("gpt_neox", RUNS, "matrices/critical.csv"),
        "fixed": of_variants("gpt_neox", RUNS, "fixed/draws.nc"),
        "relative": of_variants("gpt_neox", RUNS, "relative/draws.nc"),
    },
    "bytes": {"coded": of_variants("gpt_neox", SIZES, "matrices/coded.csv")},
    "controls": {
        "critical": of_variants("gpt_neox", SIZES, "matrices/critical.csv"),
        "fixed": of_variants("gpt_neox", SIZES, "fixed/draws.nc"),
        "permuted": of_variants("gpt_neox", SIZES, "permuted/draws.nc"),
        "permuted_critical": of_variants("gpt_neox", SIZES, "permuted/critical.csv"),
        "gaussian": of_variants("gpt_neox", SIZES, "gaussian/draws.nc"),
        "gaussian_critical": of_variants("gpt_neox", SIZES, "gaussian/critical.csv"),
    },
}


rule figure_mdl:
    input:
        **part_tables("mdl"),
    output:
        pdf=report(
            "<results>/figure2.pdf",
            caption="../../report/mdl.rst",
            category="Figures",
            labels={"figure": "2", "paper": "mdl"},
        ),
        png="<results>/figure2.png",
    log:
        "<logs>/mdl/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("draw_figure.py", lambda wildcards: ["stagewise.figures.mdl"]),
        settings={"slug": "mdl"},
    script:
        "../../../scripts/draw_figure.py"
