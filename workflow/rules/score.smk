# J and F of every frame and object, one table a variant, seed and benchmark.


rule score:
    input:
        masks="results/{study}/records/masks/{benchmark}/{variant}/seed{seed}.json",
        sources=sources(*ENGINE_SOURCES),
    output:
        scores="results/{study}/scores/{benchmark}/{variant}/seed{seed}.csv",
        record="results/{study}/records/scores/{benchmark}/{variant}/seed{seed}.json",
    log:
        "results/{study}/logs/score/{benchmark}/{variant}/seed{seed}.log",
    conda:
        "../../environment.yml"
    params:
        data=data_options(),
        engine=plan.engine,
        masks="results/{study}/masks/{benchmark}/{variant}/seed{seed}",
    message:
        "score {wildcards.benchmark} of {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "rgmp score {params.data} --benchmark {wildcards.benchmark} --masks {params.masks} "
        "--engine {params.engine} "
        "--variant {wildcards.variant} --seed {wildcards.seed} --out {output.scores} "
        "--record {output.record} > {log} 2>&1"
