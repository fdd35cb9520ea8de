# Their tables are parts that no figure draws.
for slug, sampling in COMPANIONS.items():
    PARTS[slug]["companion"] = {
        "susceptibilities": of_runs(
            "synthetic_language", "susceptibility", f"{sampling}/susceptibilities.nc"
        )[:1]
    }


rule companion:
    # One HTML file that needs no network: tokens in their context, and what each head does.
    input:
        tokens=lambda wildcards: f"{config['results']}/{shown_by(wildcards)}/companion.csv",
    output:
        page="<results>/figure{figure}.html",
    log:
        "<logs>/figure{figure}_companion.log",
    wildcard_constraints:
        figure="|".join(str(PAGES[slug]["figure"]) for slug in COMPANIONS),
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code(
            "draw_companion.py",
            lambda wildcards: [f"stagewise.figures.{shown_by(wildcards)}_companion"],
            ["figures"],
        ),
        settings=lambda wildcards: {"slug": shown_by(wildcards)},
    script:
        "../../../scripts/draw_companion.py"
