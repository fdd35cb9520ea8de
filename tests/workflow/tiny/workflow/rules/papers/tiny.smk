PARTS["tiny"] = {
    "lines": {"llc": of_runs("line", "fits", "sgld/llc.csv")},
    "valleys": {"llc": of_runs("polynomial", "valleys", "mala/llc.csv")},
}


rule figure_tiny:
    input:
        **part_tables("tiny"),
    output:
        pdf="<results>/figure99.pdf",
        png=report(
            "<results>/figure99.png",
            caption="../../report/tiny.rst",
            category="Figures",
            labels=figure_labels(PAGES["tiny"]),
        ),
    log:
        "<logs>/tiny/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.tiny"]),
        settings={"slug": "tiny"},
    script:
        "../../../scripts/draw_figure.py"
