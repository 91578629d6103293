# Masks of every frame of the split. The output is the record, not the folder of masks, so that a
# killed job keeps the sequences it finished.


rule infer:
    input:
        trained=trained,
        checked=checked_split,
    output:
        "results/{study}/records/masks/{benchmark}/{variant}/seed{seed}.json",
    log:
        "results/{study}/logs/infer/{benchmark}/{variant}/seed{seed}.log",
    conda:
        "../../environment.yml"
    threads: threads_of
    params:
        job=inference_digest,
    message:
        "segment {wildcards.benchmark} with {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "rgmp infer results/{wildcards.study} "
        "{wildcards.benchmark}/{wildcards.variant}/seed{wildcards.seed} "
        "--threads {threads} > {log} 2>&1"
