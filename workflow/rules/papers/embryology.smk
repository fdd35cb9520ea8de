# The end of every run; the first seed along its training; and, as a control, without the loss.
# Of the other seeds only what can be told first is followed.
EMBRYOS = {
    "end": of_runs(
        "synthetic_language", "susceptibility", "response/susceptibilities.nc"
    ),
    "along": of_runs(
        "synthetic_language", "susceptibility", "development/susceptibilities.nc"
    )[:1],
}

PARTS["embryology"] = {
    "body": {
        "end": EMBRYOS["end"],
        "start": EMBRYOS["along"],
        "untempered": of_runs(
            "synthetic_language", "susceptibility", "untempered/susceptibilities.nc"
        )[:1],
    },
    "development": {
        **EMBRYOS,
        "behaviour": of_runs("synthetic_language", "susceptibility", "behaviour.csv")[
            :1
        ],
    },
    "order": {
        "along": EMBRYOS["along"]
        + of_runs("synthetic_language", "susceptibility", "onset/susceptibilities.nc")[
            1:
        ],
    },
    "fin": EMBRYOS,
    "seeds": {"end": EMBRYOS["end"]},
    "maps": EMBRYOS,
}


rule figure_embryology:
    input:
        **part_tables("embryology"),
    output:
        pdf="<results>/figure13.pdf",
        png=report(
            "<results>/figure13.png",
            caption="../../report/embryology.rst",
            category="Figures",
            labels=figure_labels(PAGES["embryology"]),
        ),
    log:
        "<logs>/embryology/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.embryology"]),
        settings={"slug": "embryology"},
    script:
        "../../../scripts/draw_figure.py"
