PARTS["llc"] = {
    "potentials": {
        "monomials": of_runs("polynomial", "monomials", "sgld/draws.nc"),
        "monomials_exact": of_runs("polynomial", "monomials", "mala/draws.nc"),
        "sums": of_runs("polynomial", "sums", "sgld/draws.nc"),
    },
    "components": {"draws": of_runs("polynomial", "components", "sgld/draws.nc")},
    "deep_linear": {
        "generic": of_runs("deep_linear", "generic", "sgld/draws.nc"),
        "gibbs": of_runs("deep_linear", "balanced", "gibbs/draws.nc"),
        "balanced": of_runs("deep_linear", "balanced", "sgld/draws.nc"),
        "random_rank": of_runs("deep_linear", "random_rank", "sgld/draws.nc"),
    },
    "samplers": {
        "sgld": of_runs("deep_linear", "trio", "sgld/draws.nc"),
        "mala": of_runs("deep_linear", "trio", "mala/draws.nc"),
        "gibbs": of_runs("deep_linear", "trio", "gibbs/draws.nc"),
        "minibatch": of_runs("deep_linear", "trio_data", "sgld/draws.nc"),
    },
    "staircase": {
        "gibbs": of_runs("deep_linear", "descent", "gibbs/draws.nc"),
        "sgld": of_runs("deep_linear", "descent", "sgld/draws.nc"),
        "plain": of_runs("deep_linear", "descent", "plain/draws.nc"),
        "plateaus": of_runs("deep_linear", "plateaus", "gibbs/draws.nc"),
    },
    "coverage": {
        kind: [
            path
            for testbed, variant, sampling in (
                ("gaussian", "random", "sgld"),
                ("polynomial", "random_monomials", "mala"),
                ("polynomial", "random_sums", "mala"),
            )
            for path in of_runs(testbed, variant, f"{sampling}/draws.nc")
        ]
        for kind in ("tables", "draws")
    },
    "heuristics": {
        f"{labels}_{name}": of_runs("digits_mlp", labels, file)
        for labels in ("clean", "noisy")
        for name, file in (
            ("sgld", "sgld/draws.nc"),
            ("noiseless", "noiseless/draws.nc"),
            ("curvature", "curvature.csv"),
        )
    },
    "rescaling": {
        "hmc": of_runs("relu_rescaling", "teachers", "hmc/draws.nc"),
        "tethered": of_runs("relu_rescaling", "teachers", "tethered/draws.nc"),
        "sgld": of_runs("relu_rescaling", "teachers", "sgld/draws.nc"),
        "curvature": of_runs("relu_rescaling", "teachers", "curvature.csv"),
    },
}


rule figure_llc:
    input:
        **part_tables("llc"),
    output:
        pdf="<results>/figure1.pdf",
        png=report(
            "<results>/figure1.png",
            caption="../../report/llc.rst",
            category="Figures",
            labels=figure_labels(PAGES["llc"]),
        ),
    log:
        "<logs>/llc/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.llc"]),
        settings={"slug": "llc"},
    script:
        "../../../scripts/draw_figure.py"
