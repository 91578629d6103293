# The data: rendered if the study says so, and every part checked before it is used.


rule render_mini:
    output:
        tree=directory("results/{study}/data"),
        record="results/{study}/records/mini.json",
    log:
        "results/{study}/logs/mini.log",
    conda:
        "../../environment.yml"
    threads: threads_alone(plan.variants[0].threads)
    resources:
        **allocated("mini"),
    params:
        seed=lambda wildcards: plan.data.mini_seed,
        digest=lambda wildcards: plan.data.digests["stills"],
    message:
        "render the embedded benchmark"
    shell:
        "rgmp mini {output.tree} --seed {params.seed} --processes {threads} "
        "--record {output.record} > {log} 2>&1"


rule check_data:
    input:
        tree=data_tree,
    output:
        "results/{study}/records/data/{part}.json",
    log:
        "results/{study}/logs/check/{part}.log",
    # first and alone: errors in the data are reported before anything else starts
    priority: 1
    conda:
        "../../environment.yml"
    threads: threads_alone(1)
    resources:
        **allocated("check", part_of),
    params:
        part=part_of,
    message:
        "check {wildcards.part}"
    shell:
        "rgmp check results/{wildcards.study} {params.part:q} > {log} 2>&1"
