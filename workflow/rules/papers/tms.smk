PARTS["tms"] = {}


rule figure_tms:
    input:
        **part_tables("tms"),
    output:
        pdf=report(
            "<results>/figure5.pdf",
            caption="../../report/tms.rst",
            category="Figures",
            labels={"figure": "5", "paper": "tms"},
        ),
        png="<results>/figure5.png",
    log:
        "<logs>/tms/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("draw_figure.py", lambda wildcards: ["stagewise.figures.tms"]),
        settings={"slug": "tms"},
    script:
        "../../../scripts/draw_figure.py"
