# Trainings: each once, whoever shares it. Their identity is part of the path: what can change the
# weights makes another path, and nothing else trains anew: `rgmp train` keeps weights whose record
# proves them, so they are outputs to update, which Snakemake leaves where they are. What a killed
# training resumes from, and its curve, lie beside the weights and are no output.


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
    threads: lambda wildcards: (training_of(wildcards).settings["compute"]["threads"] * plan.machine.processes)
    resources:
        launcher=launcher_of,
    message:
        "{wildcards.stage} {wildcards.training}"
    shell:
        "{resources.launcher}rgmp train results/{wildcards.study} {wildcards.stage}/{wildcards.training} "
        "--threads {threads} > {log} 2>&1"
