rule llc:
    # Local learning coefficient of every checkpoint, with its interval and diagnostics.
    input:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    output:
        table="<results>/{testbed}/{variant}/seed{seed}/{sampling}/llc.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/llc.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("estimate_llc.py"),
        settings=ordered(config["llc"]),
    script:
        "../../scripts/estimate_llc.py"


rule custom:
    # Local learning coefficients of a model of the user's own: one table of all its samplings.
    input:
        tables=custom_tables,
    output:
        table="<results>/custom/{variant}/llc.csv",
    log:
        "<logs>/custom/{variant}/llc.log",
    wildcard_constraints:
        variant="|".join(sorted(config["testbeds"].get("huggingface", {}))) or "none",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_custom.py"),
        settings={},
    script:
        "../../scripts/collect_custom.py"


rule influence:
    # Covariances of the losses of recorded samples: any sample's influence on any other.
    input:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    output:
        influence="<results>/{testbed}/{variant}/seed{seed}/{sampling}/bif.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/influence.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        *code("estimate_influence.py"),
        settings={},
    script:
        "../../scripts/estimate_influence.py"


rule susceptibilities:
    # Linear response of every component to every token of an observable.
    input:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    output:
        susceptibilities="<results>/{testbed}/{variant}/seed{seed}/{sampling}/susceptibilities.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/susceptibilities.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        *code("estimate_susceptibilities.py"),
        settings={},
    script:
        "../../scripts/estimate_susceptibilities.py"


rule custom_influence:
    # Influence among the samples of a model of the user's own, of all samplings that recorded any.
    input:
        found=custom_influences,
    output:
        joined="<results>/custom/{variant}/bif.nc",
    log:
        "<logs>/custom/{variant}/bif.log",
    wildcard_constraints:
        variant="|".join(sorted(config["testbeds"].get("huggingface", {}))) or "none",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_custom_arrays.py"),
        settings={},
    script:
        "../../scripts/collect_custom_arrays.py"


rule custom_susceptibilities:
    # Susceptibilities of the parts of a model of the user's own, of all samplings that recorded any.
    input:
        found=custom_responses,
    output:
        joined="<results>/custom/{variant}/susceptibilities.nc",
    log:
        "<logs>/custom/{variant}/susceptibilities.log",
    wildcard_constraints:
        variant="|".join(sorted(config["testbeds"].get("huggingface", {}))) or "none",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_custom_arrays.py"),
        settings={},
    script:
        "../../scripts/collect_custom_arrays.py"


rule curvature:
    # Gradient and second derivatives of the loss at every checkpoint: the rivals of the LLC.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
        text=text,
        own=own_files_of,
    output:
        table="<results>/{testbed}/{variant}/seed{seed}/curvature.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/curvature.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/curvature.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(memory),
        runtime=growing(minutes("curvature", 30)),
        expected_s=seconds("curvature"),
        output_mb=megabytes("curvature"),
    params:
        *code("estimate_curvature.py", train_modules, ["testbeds"]),
        *settings(curvature_settings, runs()),
        settings=lambda wildcards: Section(curvature_settings(wildcards)),
    script:
        "../../scripts/estimate_curvature.py"


rule compress:
    # How far every checkpoint can be compressed: rises of the loss, critical amounts, bytes.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
        text=text,
        own=own_files_of,
    output:
        rises="<results>/{testbed}/{variant}/seed{seed}/{compression}/compression.csv",
        critical="<results>/{testbed}/{variant}/seed{seed}/{compression}/critical.csv",
        coded="<results>/{testbed}/{variant}/seed{seed}/{compression}/coded.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{compression}/compress.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/{compression}/compress.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(memory),
        working_mb=memory,
        runtime=growing(minutes("compress", 60)),
        expected_s=seconds("compress"),
        output_mb=megabytes("compress"),
        gpu=lambda wildcards: int(
            compression_settings(wildcards)["compression"].get("device") == "cuda"
        ),
    params:
        *code("compress_checkpoints.py", train_modules, ["testbeds"]),
        *settings(compression_settings, runs("compression")),
        settings=lambda wildcards: Section(compression_settings(wildcards)),
    script:
        "../../scripts/compress_checkpoints.py"


rule measure:
    # One part of a paper: a tidy table for the figure, and the statistics of its claims.
    input:
        unpack(part_inputs),
    output:
        table="<results>/{slug}/{part}.csv",
        statistics="<results>/{slug}/{part}.json",
    log:
        "<logs>/{slug}/{part}.log",
    benchmark:
        "<logs>/{slug}/{part}.tsv"
    wildcard_constraints:
        part=r"(?!claims|measured)\w+",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        *code("measure_part.py", part_modules, ["findings"]),
        *settings(part_settings, measured()),
        settings=lambda wildcards: Section(part_settings(wildcards)),
        level=config["llc"]["level"],
    script:
        "../../scripts/measure_part.py"


rule measured:
    # All statistics of a paper.
    input:
        parts=part_statistics,
    output:
        measured="<results>/{slug}/measured.json",
    log:
        "<logs>/{slug}/measured.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("collect_measured.py"),
        settings={},
    script:
        "../../scripts/collect_measured.py"
