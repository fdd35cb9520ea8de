# The language model that figures 4 and 13 have, too.
SPECTRA = ("synthetic_language", "susceptibility")

PARTS["spectroscopy"] = {
    "modes": {"draws": of_runs("bilinear_language", "planted", "response/draws.nc")},
    "clusters": {"response": of_runs(*SPECTRA, "response/susceptibilities.nc")},
    "untempered": {
        "response": of_runs(*SPECTRA, "response/susceptibilities.nc"),
        "untempered": of_runs(*SPECTRA, "untempered/susceptibilities.nc"),
    },
    "features": {
        "response": of_runs(*SPECTRA, "response/susceptibilities.nc"),
        "points": of_runs(*SPECTRA, "checkpoints.safetensors"),
    },
}


rule figure_spectroscopy:
    input:
        **part_tables("spectroscopy"),
    output:
        pdf="<results>/figure14.pdf",
        png=report(
            "<results>/figure14.png",
            caption="../../report/spectroscopy.rst",
            category="Figures",
            labels=figure_labels(PAGES["spectroscopy"]),
        ),
    log:
        "<logs>/spectroscopy/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.spectroscopy"]),
        settings={"slug": "spectroscopy"},
    script:
        "../../../scripts/draw_figure.py"
