# Seconds a frame. Beside another job they would be worthless: the rule takes every core.


rule time_frames:
    input:
        trained=trained,
        checked=checked_split,
    output:
        speed="results/{study}/speed/{benchmark}/{variant}.json",
        record="results/{study}/records/speed/{benchmark}/{variant}.json",
    log:
        "results/{study}/logs/speed/{benchmark}/{variant}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: workflow.cores
    resources:
        device=plan.machine.device,
    params:
        data=data_options,
        inference=inference_options,
        limits=lambda wildcards: (
            f"--limit {plan.speed.sequences} --frames {plan.speed.frames} "
            f"--repeats {plan.speed.repeats}"
        ),
        weights=weights_of,
        seed=plan.seeds[0],
        sources=sources_of("rgmp.inference.speed"),
    message:
        "time {wildcards.benchmark} with {wildcards.variant}, alone on the machine"
    shell:
        "rgmp speed --weights {params.weights} {params.data} --benchmark {wildcards.benchmark} "
        "{params.inference} --device {resources.device} {params.limits} "
        "--variant {wildcards.variant} --seed {params.seed} --out {output.speed} "
        "--record {output.record} > {log} 2>&1"
