# A study with external methods alone: every method against every other, one comparison for each
# benchmark. It replaces the files of an older one only once it has made all of them, so that they are
# outputs to update.


rule compare:
    output:
        report=update("results/{study}/{benchmark}/report.html"),
        record=update("results/{study}/{benchmark}/record.json"),
    log:
        "results/{study}/logs/compare/{benchmark}.log",
    conda:
        "../../environment.yml"
    threads: threads_alone(8)
    resources:
        **allocated("compare", lambda wildcards: wildcards.benchmark),
    params:
        job=lambda wildcards: plan.digest(wildcards.benchmark),
        sources=sources_of("rgmp.evaluation.methods", "rgmp.reporting.methods.write"),
    message:
        "compare methods on {wildcards.benchmark}"
    shell:
        "rgmp compare results/{wildcards.study} {wildcards.benchmark} --processes {threads} "
        "2>&1 | tee {log}"
