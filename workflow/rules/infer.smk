# Masks of every frame of the split. The record stands for the folder of masks: a killed job keeps
# the sequences that it finished.


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
    # not params: another device is no reason to segment again
    resources:
        device=plan.machine.device,
        jobs_per_gpu=plan.machine.jobs_per_gpu,
    params:
        data=data_options,
        inference=inference_options,
        weights=weights_of,
        threads=threads_of,
        masks="results/{study}/masks/{benchmark}/{variant}/seed{seed}",
    message:
        "segment {wildcards.benchmark} with {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "rgmp infer --weights {params.weights} {params.data} --benchmark {wildcards.benchmark} "
        "{params.inference} --device {resources.device} --jobs-per-gpu {resources.jobs_per_gpu} "
        "--threads {params.threads} --masks {params.masks} "
        "--variant {wildcards.variant} --seed {wildcards.seed} --record {output} > {log} 2>&1"
