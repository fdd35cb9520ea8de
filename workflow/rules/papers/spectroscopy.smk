PARTS["spectroscopy"] = {
    "modes": {
        "draws": of_runs("bilinear_language", "planted", "response/draws.nc")
    },
}


rule figure_spectroscopy:
    input:
        **part_tables("spectroscopy"),
    output:
        pdf=report(
            "<results>/figure14.pdf",
            caption="../../report/spectroscopy.rst",
            category="Figures",
            labels={"figure": "14", "paper": "spectroscopy"},
        ),
        png="<results>/figure14.png",
    log:
        "<logs>/spectroscopy/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("draw_figure.py", ["stagewise.figures.spectroscopy"]),
        settings={"slug": "spectroscopy"},
    script:
        "../../../scripts/draw_figure.py"
