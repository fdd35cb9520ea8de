PARTS["tms"] = {
    "potential": {},
    "polygons": {
        "exact_kernel": of_runs("superposition", "polygons", "mala/draws.nc"),
        "paper": of_runs("superposition", "polygons_of_data", "paper/draws.nc"),
    },
    "posterior": {
        "tempered": of_runs("superposition", "posterior", "tempering/draws.nc"),
        "untempered": of_runs("superposition", "posterior", "untempered/draws.nc"),
        "data": [
            draws
            for name in config["testbeds"]["superposition"]["posterior_of_data"][
                "sampling"
            ]
            for draws in of_runs(
                "superposition", "posterior_of_data", f"{name}/draws.nc"
            )
        ],
    },
    "descent": {"llc": of_runs("superposition", "descent", "paper/draws.nc")},
    "transitions": {"llc": of_runs("superposition", "descent", "paper/draws.nc")},
}


rule figure_tms:
    input:
        **part_tables("tms"),
    output:
        pdf="<results>/figure5.pdf",
        png=report(
            "<results>/figure5.png",
            caption="../../report/tms.rst",
            category="Figures",
            labels=figure_labels(PAGES["tms"]),
        ),
    log:
        "<logs>/tms/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.tms"]),
        settings={"slug": "tms"},
    script:
        "../../../scripts/draw_figure.py"
