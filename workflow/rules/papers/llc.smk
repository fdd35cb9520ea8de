PARTS["llc"] = {}


rule figure_llc:
    input:
        **part_tables("llc"),
    output:
        pdf=report(
            "<results>/figure1.pdf",
            caption="../../report/llc.rst",
            category="Figures",
            labels={"figure": "1", "paper": "llc"},
        ),
        png="<results>/figure1.png",
    log:
        "<logs>/llc/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("draw_figure.py", lambda wildcards: ["stagewise.figures.llc"]),
        settings={"slug": "llc"},
    script:
        "../../../scripts/draw_figure.py"
