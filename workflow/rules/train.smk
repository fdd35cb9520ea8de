rule train:
    # One run: every configuration and model of a variant and seed, every checkpoint.
    output:
        checkpoints="<results>/{testbed}/{variant}/seed{seed}/checkpoints.safetensors",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/train.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/train.tsv"
    wildcard_constraints:
        variant=variants(trained=True),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        *code("train_run.py", train_modules),
        *settings(run_settings),
        settings=lambda wildcards: Section(run_settings(wildcards)),
    script:
        "../../scripts/train_run.py"


rule place:
    # Points that are known exactly: minima, saddles, critical points.
    output:
        checkpoints="<results>/{testbed}/{variant}/seed{seed}/checkpoints.safetensors",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/place.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/place.tsv"
    wildcard_constraints:
        variant=variants(trained=False),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code("place_points.py", train_modules),
        *settings(run_settings),
        settings=lambda wildcards: Section(run_settings(wildcards)),
    script:
        "../../scripts/place_points.py"
