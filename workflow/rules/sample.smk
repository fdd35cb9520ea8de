rule sample:
    # Draws from the local posterior of every checkpoint of a run.
    input:
        checkpoints="<results>/{testbed}/{variant}/seed{seed}/checkpoints.safetensors",
    output:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/sample.log",
    benchmark:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/sample.tsv"
    params:
        settings=sampling_settings,
        code=sample_code,
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../environment.yml"
    script:
        "../../scripts/sample_posterior.py"
