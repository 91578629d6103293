# Trainings: each once, whoever shares it. Their identity is part of the path, so nothing but a new
# identity trains anew; the check of the data only has to have happened.


rule train:
    input:
        plan=ancient("results/{study}/plan.json"),
        data=ancient("results/{study}/records/data.json"),
        tree=ancient(data_tree),
        before=ancient(weights_before),
    output:
        weights="results/{study}/weights/{stage}/{training}/weights.safetensors",
        metrics="results/{study}/weights/{stage}/{training}/metrics.jsonl",
        record="results/{study}/records/weights/{stage}/{training}.json",
    log:
        "results/{study}/logs/train/{stage}/{training}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: training_of(wildcards).settings["compute"]["threads"]
    message:
        "{wildcards.stage} {wildcards.training}"
    shell:
        "rgmp train results/{wildcards.study} {wildcards.stage}/{wildcards.training} "
        "--record {output.record} > {log} 2>&1"
