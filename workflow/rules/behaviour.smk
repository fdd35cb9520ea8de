rule behaviour:
    # What every checkpoint can do: scores of the model and of its components.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
    output:
        table="<results>/{testbed}/{variant}/seed{seed}/behaviour.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/behaviour.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/behaviour.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(minutes("behaviour", 30)),
        expected_s=seconds("behaviour"),
        output_mb=megabytes("behaviour"),
    params:
        *code("measure_behaviour.py", train_modules, ["testbeds"]),
        *settings(model_settings, runs()),
        settings=lambda wildcards: Section(model_settings(wildcards)),
    script:
        "../../scripts/measure_behaviour.py"


use rule behaviour as ablations with:
    # What every checkpoint loses without one of its components.
    output:
        table="<results>/{testbed}/{variant}/seed{seed}/ablations.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/ablations.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/ablations.tsv"
    resources:
        mem_mb=growing(4000),
        runtime=growing(minutes("ablations", 30)),
        expected_s=seconds("ablations"),
        output_mb=megabytes("ablations"),


rule outputs:
    # The path of a run through function space: outputs on a fixed batch.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
    output:
        outputs="<results>/{testbed}/{variant}/seed{seed}/outputs.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/outputs.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/outputs.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        *code("record_outputs.py", train_modules, ["testbeds"]),
        *settings(model_settings, runs()),
        settings=lambda wildcards: Section(model_settings(wildcards)),
    script:
        "../../scripts/record_outputs.py"
