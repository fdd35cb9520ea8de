rule train:
    # One run: every configuration and model of a variant and seed, every checkpoint.
    input:
        tokens=tokens,
    output:
        checkpoints="<results>/{testbed}/{variant}/seed{seed}/checkpoints.safetensors",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/train.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/train.tsv"
    wildcard_constraints:
        variant=trained(),
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
