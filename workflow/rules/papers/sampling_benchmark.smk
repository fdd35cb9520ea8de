PARTS["sampling_benchmark"] = {
    "formula": {},
    "sweeps": {
        "gibbs": of_runs("deep_linear", "benchmark_exact", "gibbs/draws.nc"),
        **{
            name: of_runs("deep_linear", "benchmark", f"{name}/draws.nc")
            for name in ("sgld", "sghmc", "sgnht", "rmsprop", "frozen", "adam")
        },
    },
    "traces": {
        "gibbs": of_runs("deep_linear", "benchmark_exact", "gibbs/draws.nc"),
        **{
            name: of_runs("deep_linear", "benchmark", f"{name}/draws.nc")
            for name in ("sgld", "sghmc", "rmsprop")
        },
    },
    "temperature": {
        "line": of_runs("gaussian", "line", "sgld/draws.nc"),
        **{
            name: of_runs("gaussian", "twenty", f"{name}/draws.nc")
            for name in ("sgld", "sghmc", "sgnht", "rmsprop")
        },
    },
    "coverage": {
        f"{name}{kind}": [
            path
            for testbed, variant in (
                ("gaussian", "random"),
                ("polynomial", "random_monomials"),
                ("polynomial", "random_sums"),
            )
            for path in of_runs(testbed, variant, f"{name}/draws.nc")
        ]
        for name in ("sghmc", "sgnht", "frozen", "rmsprop")
        for kind in ("", "_draws")
    },
    "noise": {
        "gibbs": of_runs("deep_linear", "benchmark_noisy_exact", "gibbs/draws.nc"),
        **{
            name: of_runs("deep_linear", "benchmark_noisy", f"{name}/draws.nc")
            for sampler in ("sgld", "sghmc", "rmsprop")
            for name in (sampler, f"{sampler}_full")
        },
    },
}


rule figure_sampling_benchmark:
    input:
        **part_tables("sampling_benchmark"),
    output:
        pdf="<results>/figure12.pdf",
        png=report(
            "<results>/figure12.png",
            caption="../../report/sampling_benchmark.rst",
            category="Figures",
            labels=figure_labels(PAGES["sampling_benchmark"]),
        ),
    log:
        "<logs>/sampling_benchmark/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code(
            "draw_figure.py",
            ["stagewise.figures.sampling_benchmark"],
        ),
        settings={"slug": "sampling_benchmark"},
    script:
        "../../../scripts/draw_figure.py"
