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
        mem_mb=2000,
        runtime=10,
    params:
        *code("estimate_llc.py"),
        settings=ordered(config["llc"]),
    script:
        "../../scripts/estimate_llc.py"
