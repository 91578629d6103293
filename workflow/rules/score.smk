# J and F of every frame and object, one table per variant, seed and benchmark.


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
    # there are many tables; for few tables of long videos: --set-threads score=4
    threads: 1
    params:
        job=scoring_digest,
        sources=sources_of("rgmp.evaluation.scoring", "rgmp.evaluation.adoption"),
    message:
        "score {wildcards.benchmark} of {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "rgmp score results/{wildcards.study} "
        "{wildcards.benchmark}/{wildcards.variant}/seed{wildcards.seed} "
        "--processes {threads} > {log} 2>&1"


rule score_external:
    input:
        checked=checked_split,
    output:
        scores="results/{study}/scores/{benchmark}/{external}/external.csv",
        record="results/{study}/records/scores/{benchmark}/{external}/external.json",
    log:
        "results/{study}/logs/score/{benchmark}/{external}/external.log",
    # as early as possible: errors in external masks are reported before days of training
    priority: 1
    conda:
        "../../environment.yml"
    threads: 1
    params:
        job=adoption_digest,
        sources=sources_of("rgmp.evaluation.scoring", "rgmp.evaluation.adoption"),
    message:
        "score {wildcards.benchmark} of {wildcards.external}, an external method"
    shell:
        "rgmp score results/{wildcards.study} {wildcards.benchmark}/{wildcards.external}/external "
        "--processes {threads} 2>&1 | tee {log}"
