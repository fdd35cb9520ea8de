rule llc:
    # Local learning coefficient of every checkpoint, with its interval and diagnostics.
    input:
        draws="<results>/{testbed}/{variant}/seed{seed}/{sampling}/draws.nc",
    output:
        table="<results>/{testbed}/{variant}/seed{seed}/{sampling}/llc.csv",
    log:
        "<logs>/{testbed}/{variant}/seed{seed}/{sampling}/llc.log",
    params:
        settings=ordered(config["llc"]),
        code=code_of(ROOT, "estimate_llc.py"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../../environment.yml"
    script:
        "../../scripts/estimate_llc.py"
