# Seconds per frame. A concurrent job would make them worthless, so the rule takes every core.


rule time_frames:
    input:
        trained=lambda wildcards: trained(wildcards.variant, plan.seeds[0]),
        checked=checked_split,
    output:
        speed="results/{study}/speed/{benchmark}/{variant}.json",
        record="results/{study}/records/speed/{benchmark}/{variant}.json",
    log:
        "results/{study}/logs/speed/{benchmark}/{variant}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: workflow.cores
    params:
        job=timing_digest,
        sources=sources_of("rgmp.inference.speed"),
    message:
        "time {wildcards.benchmark} with {wildcards.variant}, alone on the machine"
    shell:
        "rgmp speed results/{wildcards.study} {wildcards.benchmark}/{wildcards.variant} "
        "--threads {threads} > {log} 2>&1"
