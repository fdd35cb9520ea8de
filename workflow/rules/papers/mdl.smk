PARTS["mdl"] = {
    "code": {},
    "plateaus": {
        "critical": of_runs("deep_linear", "staircase", "matrices/critical.csv"),
        "curvature": of_runs("deep_linear", "staircase", "curvature.csv"),
        "gibbs": of_runs("deep_linear", "staircase", "gibbs/draws.nc"),
        "sgld": of_runs("deep_linear", "staircase", "sgld/draws.nc"),
        "exact": of_runs("deep_linear", "staircase_exact", "gibbs/draws.nc"),
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
