# Training runs, each once for all variants that share it. Their identity is part of the path: what can
# change the weights changes the path, and nothing else trains again. `rgmp train` keeps weights that
# match their record, so they are outputs to update, which Snakemake does not remove. Checkpoints and
# the curve are stored next to the weights and are not outputs.


rule train:
    input:
        inputs_of_training,
    output:
        weights=update("results/{study}/weights/{stage}/{training}/weights.safetensors"),
        record=update("results/{study}/records/weights/{stage}/{training}.json"),
    log:
        "results/{study}/logs/train/{stage}/{training}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: training_of(wildcards).compute.threads * plan.machine.processes
    resources:
        launcher=launcher_of,
    message:
        "{wildcards.stage} {wildcards.training}"
    shell:
        "{resources.launcher}rgmp train results/{wildcards.study} {wildcards.stage}/{wildcards.training} "
        "--threads {threads} > {log} 2>&1"
