# Seconds per frame of every distinct computation: one job for each benchmark, in which all take turns.
# A concurrent job would make them worthless, so on this machine the rule takes every core.


rule time_frames:
    input:
        trained=timed_weights,
        checked=checked_split,
    output:
        speed="results/{study}/speed/{benchmark}.json",
        record="results/{study}/records/speed/{benchmark}.json",
    log:
        "results/{study}/logs/speed/{benchmark}.log",
    conda:
        "../../environment.yml"
    threads: threads_alone(plan.variants[0].threads)
    resources:
        **allocated("speed", lambda wildcards: wildcards.benchmark, gpus=1),
    params:
        job=timing_digest,
        sources=sources_of("rgmp.inference.speed"),
    message:
        "time {wildcards.benchmark}, alone on the machine"
    shell:
        "rgmp speed results/{wildcards.study} {wildcards.benchmark} --threads {threads} > {log} 2>&1"
