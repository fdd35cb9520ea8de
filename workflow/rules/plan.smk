rule plan:
    # What a whole run takes by figure and rule, from the resources below each rule; nothing is run.
    input:
        snakefile="Snakefile",
        config="config.yaml",
        rules=sorted(map(str, Path("workflow/rules").rglob("*.smk"))),
        pages=sorted(map(str, Path("workflow/papers").glob("*.yaml"))),
    output:
        plan="<results>/plan.csv",
        schedule="<results>/schedule.csv",
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    params:
        *code("plan_jobs.py"),
        settings=ordered(
            {
                "overlay": workflow.config_settings.overwrite_config,
                "figures": figure_files(config["results"]),
                "clusters": config["planning"]["clusters"],
            }
        ),
    script:
        "../../scripts/plan_jobs.py"
