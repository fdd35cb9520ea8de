rule train:
    # One run: every configuration and model of a variant and seed, every checkpoint.
    input:
        tokens=tokens,
        start=start,
    output:
        checkpoints="<results>/{testbed}/{variant}/seed{seed}/checkpoints.safetensors",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/train.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/train.tsv"
    wildcard_constraints:
        variant=trained(),
    priority: 1  # long, and much waits for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(minutes("train", 60)),
        expected_s=seconds("train"),
        output_mb=megabytes("train"),
    params:
        *code("train_run.py", train_modules, ["testbeds"]),
        *settings(run_settings, runs()),
        settings=lambda wildcards: Section(run_settings(wildcards)),
    script:
        "../../scripts/train_run.py"


rule retrain:
    # Models trained on random subsets of a run's data: the ground truth of data attribution.
    input:
        tokens=tokens,
        start=start,
    output:
        losses="<results>/{testbed}/{variant}/seed{seed}/retrained.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/retrain.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/retrain.tsv"
    wildcard_constraints:
        variant=trained(),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(memory),
        runtime=growing(minutes("retrain", 60)),
        expected_s=seconds("retrain"),
        output_mb=megabytes("retrain"),
    params:
        *code("retrain_subsets.py", train_modules, ["testbeds"]),
        *settings(retraining_settings, retrained()),
        settings=lambda wildcards: Section(retraining_settings(wildcards)),
    script:
        "../../scripts/retrain_subsets.py"
