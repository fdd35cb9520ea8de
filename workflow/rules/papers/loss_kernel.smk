# Two arithmetic tasks in one network, by what they share.
SHARINGS = ("everything", "outputs", "hidden")

PARTS["loss_kernel"] = {
    "linear": {
        "regular": of_runs("linear_regression", "kernel_regular", "sgld/draws.nc"),
        "shared": of_runs("linear_regression", "kernel_shared", "sgld/draws.nc"),
    },
    "towers": {
        "draws": of_runs("modular_arithmetic", "nothing", "sgld/draws.nc"),
        "points": of_runs("modular_arithmetic", "nothing", "checkpoints.safetensors"),
    },
    "arithmetic": {
        **{
            sharing: of_runs("modular_arithmetic", sharing, "sgld/draws.nc")
            for sharing in SHARINGS
        },
        **{
            f"{sharing}_points": of_runs(
                "modular_arithmetic", sharing, "checkpoints.safetensors"
            )
            for sharing in SHARINGS
        },
    },
    "tree": {
        "draws": of_runs("class_tree", "leaves", "sgld/draws.nc"),
        "untrained": of_runs("class_tree", "leaves", "untrained/draws.nc"),
        "points": of_runs("class_tree", "leaves", "checkpoints.safetensors"),
    },
    "development": {"draws": of_runs("class_tree", "leaves", "along/draws.nc")},
    "digits": {
        "right": of_runs("digits_mlp", "kernel", "sgld/draws.nc"),
        "right_points": of_runs("digits_mlp", "kernel", "checkpoints.safetensors"),
        "untrained": of_runs("digits_mlp", "kernel", "untrained/draws.nc"),
        "random": of_runs("digits_mlp", "kernel_random", "sgld/draws.nc"),
    },
}


rule figure_loss_kernel:
    input:
        **part_tables("loss_kernel"),
    output:
        pdf="<results>/figure11.pdf",
        png=report(
            "<results>/figure11.png",
            caption="../../report/loss_kernel.rst",
            category="Figures",
            labels=figure_labels(PAGES["loss_kernel"]),
        ),
    log:
        "<logs>/loss_kernel/figure.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *code("draw_figure.py", ["stagewise.figures.loss_kernel"]),
        settings={"slug": "loss_kernel"},
    script:
        "../../../scripts/draw_figure.py"
