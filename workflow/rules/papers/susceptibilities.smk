PARTS["susceptibilities"] = {
    "gaussian": {
        name: of_runs("linear_regression", "blocks", f"{name}/draws.nc")
        for name in ("plain", "mirrored", "coupled", "traced")
    },
    "singular": {"draws": of_runs("scalar_product", "crossing", "sgld/draws.nc")},
    "language": {
        "response": of_runs(
            "synthetic_language", "susceptibility", "response/susceptibilities.nc"
        ),
        "early": of_runs(
            "synthetic_language", "susceptibility_early", "response/susceptibilities.nc"
        ),
        "draws": of_runs("synthetic_language", "susceptibility", "response/draws.nc"),
        "early_draws": of_runs(
            "synthetic_language", "susceptibility_early", "response/draws.nc"
        ),
        "behaviour": of_runs("synthetic_language", "susceptibility", "behaviour.csv"),
    },
    "ablation": {
        "response": of_runs(
            "synthetic_language", "susceptibility", "response/susceptibilities.nc"
        ),
        "draws": of_runs("synthetic_language", "susceptibility", "response/draws.nc"),
        "points": of_runs(
            "synthetic_language", "susceptibility", "checkpoints.safetensors"
        ),
        "behaviour": of_runs("synthetic_language", "susceptibility", "behaviour.csv"),
    },
    "probes": {
        "response": of_runs(
            "synthetic_language", "susceptibility", "response/susceptibilities.nc"
        ),
        "draws": of_runs("synthetic_language", "susceptibility", "response/draws.nc"),
    },
    "text": {
        "susceptibilities": of_runs(
            "text", "susceptibility", "response/susceptibilities.nc"
        ),
        "behaviour": of_runs("text", "susceptibility", "behaviour.csv"),
        "tokens": [f"{config['results']}/corpus/installed/tokens.safetensors"],
        "vocabulary": [f"{config['results']}/corpus/installed/tokenizer.json"],
    },
}


rule figure_susceptibilities:
    input:
        **part_tables("susceptibilities"),
    output:
        pdf="<results>/figure4.pdf",
        png=report(
            "<results>/figure4.png",
            caption="../../report/susceptibilities.rst",
            category="Figures",
            labels=figure_labels(PAGES["susceptibilities"]),
        ),
    log:
        "<logs>/susceptibilities/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.susceptibilities"]),
        settings={"slug": "susceptibilities"},
    script:
        "../../../scripts/draw_figure.py"
