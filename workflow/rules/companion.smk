# Their tables are parts that no figure draws.
for slug in companions().values():
    PARTS[slug]["companion"] = {
        "susceptibilities": of_runs(
            "synthetic_language",
            "susceptibility",
            f"{COMPANIONS[slug]}/susceptibilities.nc",
        )[:1]
    }


rule companion:
    # One HTML file that needs no network: tokens in their context, and what each head does.
    input:
        tokens=lambda wildcards: f"{config['results']}/{companions()[wildcards.figure]}/companion.csv",
    output:
        page="<results>/figure{figure}.html",
    log:
        "<logs>/figure{figure}_companion.log",
    wildcard_constraints:
        figure="|".join(companions()) or "none",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code(
            "draw_companion.py",
            lambda wildcards: [
                f"stagewise.figures.{companions()[wildcards.figure]}_companion"
            ],
            ["figures"],
        ),
        settings=lambda wildcards: {"slug": companions()[wildcards.figure]},
    script:
        "../../scripts/draw_companion.py"
