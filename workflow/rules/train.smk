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
        **allocated("train", training_name, plan.machine.processes, plan.machine.nodes),
        **allotment(plan.machine),
        launcher=lambda wildcards, threads: launcher(plan.machine, threads),
    message:
        "{wildcards.stage} {wildcards.training}"
    shell:
        "{resources.launcher}rgmp train results/{wildcards.study} {wildcards.stage}/{wildcards.training} "
        "--threads {threads} > {log} 2>&1"


# The checkpoints before the last that a study keeps (finetune.keep_last). `rgmp train` writes them as it
# trains; of a training run that finished without, it makes them by repeating it. The files of the last
# weights are not touched, so nothing that depends on those runs again. On a GPU a training run does not
# repeat its bits and is not repeated: what is left is to record checkpoints that are there, in seconds.
repeats = plan.machine.device != "cuda"

if not repeats:

    localrules:
        keep_checkpoints,


rule keep_checkpoints:
    input:
        trained="results/{study}/records/weights/{stage}/{training}.json",
        read=inputs_of_training,
    output:
        record=update("results/{study}/records/checkpoints/{stage}/{training}.json"),
    log:
        "results/{study}/logs/checkpoints/{stage}/{training}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: training_of(wildcards).compute.threads * plan.machine.processes
    resources:
        **(
            allocated(
                "checkpoints of train", training_name, plan.machine.processes, plan.machine.nodes
            )
            | allotment(plan.machine)
            if repeats
            else {}
        ),
        launcher=lambda wildcards, threads: launcher(plan.machine, threads) if repeats else "",
    params:
        steps=lambda wildcards: training_of(wildcards).settings.earlier_checkpoints,
    message:
        "checkpoints of {wildcards.stage} {wildcards.training}"
    shell:
        "{resources.launcher}rgmp train results/{wildcards.study} {wildcards.stage}/{wildcards.training} "
        "--threads {threads} > {log} 2>&1"
