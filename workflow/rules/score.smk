# J and F of every frame and object, one table a variant, seed and benchmark.


rule score:
    input:
        masks="results/{study}/records/masks/{benchmark}/{variant}/seed{seed}.json",
    output:
        scores="results/{study}/scores/{benchmark}/{variant}/seed{seed}.csv",
        record="results/{study}/records/scores/{benchmark}/{variant}/seed{seed}.json",
    log:
        "results/{study}/logs/score/{benchmark}/{variant}/seed{seed}.log",
    conda:
        "../../environment.yml"
    # the tables are many; for a few of long videos: --set-threads score=4
    threads: 1
    params:
        data=data_options,
        engine=engine_options(),
        sources=sources_of("rgmp.evaluation.scoring", "rgmp.evaluation.adoption"),
        masks="results/{study}/masks/{benchmark}/{variant}/seed{seed}",
    message:
        "score {wildcards.benchmark} of {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "rgmp score {params.data} --benchmark {wildcards.benchmark} --masks {params.masks} "
        "{params.engine} --processes {threads} "
        "--variant {wildcards.variant} --seed {wildcards.seed} --out {output.scores} "
        "--record {output.record} > {log} 2>&1"


rule score_external:
    input:
        checked=checked_split,
    output:
        scores="results/{study}/scores/{benchmark}/{external}/external.csv",
        record="results/{study}/records/scores/{benchmark}/{external}/external.json",
    log:
        "results/{study}/logs/score/{benchmark}/{external}/external.log",
    # as soon as it can be: a mistake in someone's masks is said before days of training
    priority: 1
    conda:
        "../../environment.yml"
    threads: 1
    # not params: the same bytes in another folder are no reason to score again
    resources:
        given=external_options,
    params:
        data=data_options,
        engine=engine_options(),
        sources=sources_of("rgmp.evaluation.scoring", "rgmp.evaluation.adoption"),
        digest=lambda wildcards: external_of(wildcards).digests[wildcards.benchmark],
    message:
        "score {wildcards.benchmark} of {wildcards.external}, which is not trained here"
    shell:
        "rgmp score {params.data} --benchmark {wildcards.benchmark} {resources.given} "
        "{params.engine} --processes {threads} --variant {wildcards.external} --out {output.scores} "
        "--record {output.record} 2>&1 | tee {log}"
