PARTS["stagewise_bif"] = {
    "phases": {},
    "dynamics": {},
    "hierarchy": {
        "checkpoints": of_runs("semantic_hierarchy", "tree", "checkpoints.safetensors"),
        **{
            name: of_runs("semantic_hierarchy", "tree", f"{name}/draws.nc")
            for name in ("sgld", "early", "tethered", "untempered")
        },
    },
    "retraining": {
        "checkpoints": of_runs("semantic_hierarchy", "tree", "checkpoints.safetensors"),
        "sgld": of_runs("semantic_hierarchy", "tree", "sgld/draws.nc"),
    },
    "unstructured": {
        "sgld": of_runs("semantic_hierarchy", "unstructured", "sgld/draws.nc"),
    },
    "language": {
        "draws": of_runs("synthetic_language", "language", "influence/draws.nc"),
        "twice": of_runs("synthetic_language", "language", "influence_twice/draws.nc"),
        "runs": of_runs("synthetic_language", "language", "checkpoints.safetensors"),
    },
    "text": {
        "draws": of_runs("text", "packages", "influence/draws.nc"),
        "twice": of_runs("text", "packages", "influence_twice/draws.nc"),
        "runs": of_runs("text", "packages", "checkpoints.safetensors"),
        "tokens": [f"{config['results']}/corpus/installed/tokens.safetensors"],
        "vocabulary": [f"{config['results']}/corpus/installed/tokenizer.json"],
    },
    "intervention": {
        "runs": of_runs(
            "synthetic_language", "intervention", "checkpoints.safetensors"
        ),
    },
}


rule figure_stagewise_bif:
    input:
        **part_tables("stagewise_bif"),
    output:
        pdf="<results>/figure3.pdf",
        png=report(
            "<results>/figure3.png",
            caption="../../report/stagewise_bif.rst",
            category="Figures",
            labels=figure_labels(PAGES["stagewise_bif"]),
        ),
    log:
        "<logs>/stagewise_bif/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.stagewise_bif"]),
        settings={"slug": "stagewise_bif"},
    script:
        "../../../scripts/draw_figure.py"
