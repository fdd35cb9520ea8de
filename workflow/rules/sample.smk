rule sample:
    # Draws from the local posterior of every checkpoint of a run; gathered, where jobs share the
    # chains.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
        text=text,
        own=own_files_of,
        shards=shards,
    output:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/sample.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/sample.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(memory),
        working_mb=memory,
        runtime=growing(minutes("sample", 60)),
        expected_s=seconds("sample"),
        output_mb=megabytes("sample"),
        gpu=lambda wildcards: int(
            sampling_settings(wildcards)["sampling"].get("device") == "cuda"
            and ("shard" in wildcards.keys() or not shards(wildcards))
        ),
    params:
        *code("sample_posterior.py", sample_modules, ["testbeds", "samplers"]),
        *settings(sampling_settings, runs("sampling")),
        settings=lambda wildcards: Section(sampling_settings(wildcards)),
    script:
        "../../scripts/sample_posterior.py"


use rule sample as sample_shard with:
    # Some of the chains.
    input:
        checkpoints=checkpoints,
        tokens=tokens,
        text=text,
        own=own_files_of,
    output:
        draws=temp(
            "<results>/{testbed}/{variant}/seed{seed}/{sampling}/shard{shard}of{shards}.nc"
        ),
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/shard{shard}of{shards}.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/shard{shard}of{shards}.tsv"
    wildcard_constraints:
        shard=r"\d+",
        shards=r"\d+",


rule diagnostics:
    # Can the chains of a draws file be trusted? On request: .../<sampling>/diagnostics.pdf
    input:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    output:
        pdf="<results>/{testbed}/{variant}/seed{seed}/{sampling}/diagnostics.pdf",
        png="<results>/{testbed}/{variant}/seed{seed}/{sampling}/diagnostics.png",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/diagnostics.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        *code("draw_diagnostics.py"),
        settings={},
    script:
        "../../scripts/draw_diagnostics.py"
