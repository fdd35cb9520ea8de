from importlib.util import find_spec

# Library of data attribution -> the module that it is imported as.
ATTRIBUTION_LIBRARIES = {"kronfluence": "kronfluence", "traker": "trak"}

PARTS["bif"] = {
    "regression": {"sgld": of_runs("linear_regression", "sixty", "sgld/draws.nc")},
    "retraining": {
        "checkpoints": of_runs("digits_mlp", "attribution", "checkpoints.safetensors"),
        "retrained": of_runs("digits_mlp", "attribution", "retrained.nc"),
        **{
            name: of_runs("digits_mlp", "attribution", f"{name}/draws.nc")
            for name in config["testbeds"]["digits_mlp"]["attribution"]["sampling"]
        },
    },
    "library": {
        "checkpoints": of_runs("digits_mlp", "attribution", "checkpoints.safetensors"),
        "retrained": of_runs("digits_mlp", "attribution", "retrained.nc"),
        **{
            name: of_runs("digits_mlp", "attribution", f"{name}.nc")
            for name in ATTRIBUTION_LIBRARIES
        },
    },
    "translations": {
        corpus: of_runs("bilingual", corpus, "sgld/draws.nc")
        for corpus in ("related", "unrelated")
    },
    "finetuning": {
        "checkpoints": of_runs("gpt_neox", "finetuned", "checkpoints.safetensors"),
        "retrained": of_runs("gpt_neox", "finetuned", "retrained.nc"),
        "main": of_runs("gpt_neox", "finetuned", "main/draws.nc"),
        "kronfluence": of_runs("gpt_neox", "finetuned", "kronfluence.nc"),
        "tokens": [f"{config['results']}/corpus/installed/tokens.safetensors"],
    },
    "cost": {"cost": ["benchmarks/influence_cost.csv"]},
}


rule library:
    # Influence by one of the field's libraries; without it, a file that says so. Installing it
    # reruns this.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
    output:
        scores="<results>/{testbed}/{variant}/seed{seed}/{library}.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{library}.log",
    wildcard_constraints:
        testbed="digits_mlp|gpt_neox",
        library="|".join(ATTRIBUTION_LIBRARIES),
    conda:
        "../../envs/attribution.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        *code("attribute_by_library.py", train_modules, ["testbeds"]),
        *settings(library_settings, runs()),
        settings=lambda wildcards: Section(library_settings(wildcards)),
        installed=lambda wildcards: find_spec(ATTRIBUTION_LIBRARIES[wildcards.library])
        is not None,
    script:
        "../../../scripts/attribute_by_library.py"


rule figure_bif:
    input:
        **part_tables("bif"),
    output:
        pdf="<results>/figure10.pdf",
        png=report(
            "<results>/figure10.png",
            caption="../../report/bif.rst",
            category="Figures",
            labels=figure_labels(PAGES["bif"]),
        ),
    log:
        "<logs>/bif/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code(
            "draw_figure.py",
            ["stagewise.figures.bif"],
        ),
        settings={"slug": "bif"},
    script:
        "../../../scripts/draw_figure.py"
