# The study's plan, and its data: rendered where the study says so, and checked before anything is
# trained.


rule write_plan:
    output:
        "results/{study}/plan.json",
    log:
        "results/{study}/logs/plan.log",
    conda:
        "../../environment.yml"
    params:
        study=quote(plan.file),
        digest=plan.digest,
    message:
        "plan: {wildcards.study}"
    shell:
        "rgmp plan {params.study} > {log} 2>&1"


rule render_mini:
    output:
        tree=directory("results/{study}/data"),
        record="results/{study}/records/mini.json",
    log:
        "results/{study}/logs/mini.log",
    conda:
        "../../environment.yml"
    params:
        seed=lambda wildcards: plan.data.mini_seed,
        digest=lambda wildcards: plan.data.digests["stills"],
    message:
        "render the embedded benchmark"
    shell:
        "rgmp mini {output.tree} --seed {params.seed} --record {output.record} > {log} 2>&1"


rule check_data:
    input:
        tree=data_tree,
    output:
        "results/{study}/records/data.json",
    log:
        "results/{study}/logs/check.log",
    conda:
        "../../environment.yml"
    params:
        options=check_options,
        digests=lambda wildcards: plan.data.digests,
    message:
        "check every file that the study reads"
    shell:
        "rgmp check {params.options} --record {output} 2>&1 | tee {log}"
