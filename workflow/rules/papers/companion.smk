# Pages to read a figure's map of tokens with: of the papers that have a part `companion`.
COMPANIONS = {
    str(PAGES[slug]["figure"]): slug
    for slug, parts in PARTS.items()
    if "companion" in parts
}


rule companion:
    # One HTML file that needs no network: tokens in their context, and what each head does.
    input:
        tokens=lambda wildcards: f"{config['results']}/{COMPANIONS[wildcards.figure]}/companion.csv",
    output:
        page="<results>/figure{figure}.html",
    log:
        "<logs>/figure{figure}_companion.log",
    wildcard_constraints:
        figure="|".join(sorted(COMPANIONS)) or "none",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        *code(
            "draw_companion.py",
            lambda wildcards: [
                f"stagewise.figures.{COMPANIONS[wildcards.figure]}_companion"
            ],
            ["figures"],
        ),
        settings=lambda wildcards: {"slug": COMPANIONS[wildcards.figure]},
    script:
        "../../../scripts/draw_companion.py"
