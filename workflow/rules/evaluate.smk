# Masks of every frame of the split, and their J and F. One job does it for everything that has the same
# weights: their benchmarks, and the variants that differ in inference alone. A rule has a fixed number
# of outputs, so there is one for the variants that share weights, named after the first of them.
#
# Masks and scores of single sequences lie in masks/<weights> and are no outputs: a killed job keeps
# what it finished, and a job with more sequences or variants computes those alone.
#
# The earlier checkpoints of a study that keeps some are evaluated alike, a job for each.

for name, variants in plan.sharing.items():
    for step in (None, "{step}") if plan.earlier_checkpoints(variants[0]) else (None,):
        weights = layout.evaluation(name, "{seed}", step)
        runs = [layout.run(b, v.name, "{seed}", step) for v in variants for b in plan.benchmarks]
        submitted = [v.name for v in variants if plan.submits(v.name) and not step]
        unscored = [layout.submission(variant, "{seed}") for variant in submitted]

        rule:
            name:
                f"evaluate_{name}_checkpoint" if step else f"evaluate_{name}"
            input:
                trained=lambda wildcards, name=name, step=step: trained(
                    name, wildcards.seed, earlier=step is not None
                ),
                checked=[folder / plan.check_of(f"{b}/{plan.split}") for b in plan.benchmarks],
                withheld=[folder / plan.check_of(layout.SUBMISSION) for _ in unscored[:1]],
            output:
                masks=[folder / layout.record(layout.masks(run)) for run in (*runs, *unscored)],
                scores=[folder / layout.scores(run) for run in runs],
                records=[folder / layout.record(layout.scores(run)) for run in runs],
            log:
                folder / f"logs/evaluate/{weights}.log",
            conda:
                "../../environment.yml"
            # as in training, for the same bits on machines of one type
            threads: variants[0].threads
            resources:
                **allocated("evaluate", partial(evaluation_name, name), gpus=1),
                # no loop variable in a command: it is formatted when the job runs
                evaluation=lambda wildcards, name=name: f"{folder} {evaluation_name(name, wildcards)}",
            params:
                job=lambda wildcards, name=name: evaluation_digest(name, wildcards),
                sources=scoring_sources(plan.evaluation.engine),
            message:
                f"evaluate {name}, seed {{wildcards.seed}}"
                + (", step {wildcards.step}" if step else "")
            shell:
                "rgmp evaluate {resources.evaluation} --threads {threads} > {log} 2>&1"


localrules:
    archive,


# Masks of a split whose ground truth a server alone has, packed as it takes them: once they are made,
# seconds, no GPU, no torch.
rule archive:
    input:
        masks="results/{study}/records/masks/submission/{variant}/seed{seed}.json",
    output:
        archive="results/{study}/submission/{variant}/seed{seed}.zip",
        record="results/{study}/records/submission/{variant}/seed{seed}.json",
    log:
        "results/{study}/logs/archive/{variant}/seed{seed}.log",
    conda:
        "../../environment.yml"
    params:
        sources=sources_of("rgmp.evaluation.submission"),
    message:
        "pack the masks of {wildcards.variant}, seed {wildcards.seed}, for the server"
    shell:
        "rgmp archive results/{wildcards.study} {wildcards.variant}/seed{wildcards.seed} "
        "> {log} 2>&1"


# What gives the numbers a scale: the mask of frame 0 kept, and the truth at the network's resolution.
rule score_bounds:
    input:
        checked=checked_split,
    output:
        scores="results/{study}/scores/{benchmark}/bounds.csv",
        record="results/{study}/records/scores/{benchmark}/bounds.json",
    log:
        "results/{study}/logs/score/{benchmark}/bounds.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **allocated("bounds", lambda wildcards: wildcards.benchmark),
    params:
        job=bounds_digest,
        sources=sources_of("rgmp.evaluation.bounds"),
    message:
        "score floor and ceiling of {wildcards.benchmark}"
    shell:
        "rgmp bounds results/{wildcards.study} {wildcards.benchmark} --processes {threads} "
        "> {log} 2>&1"


rule score_external:
    input:
        checked=checked_split,
    output:
        scores="results/{study}/scores/{benchmark}/{external}/external.csv",
        record="results/{study}/records/scores/{benchmark}/{external}/external.json",
    log:
        "results/{study}/logs/score/{benchmark}/{external}/external.log",
    # as early as possible: errors in external masks are reported before days of training
    priority: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **allocated("score", adoption_name),
    params:
        job=adoption_digest,
        sources=sources_of("rgmp.evaluation.scoring", "rgmp.evaluation.external_scores"),
    message:
        "score {wildcards.benchmark} of {wildcards.external}, an external method"
    shell:
        "rgmp score results/{wildcards.study} {wildcards.benchmark}/{wildcards.external}/external "
        "--processes {threads} > {log} 2>&1"


# Whether the official evaluator agrees, where it is installed. That is no input: installed later, it is
# asked when the table is removed.
rule cross_check:
    input:
        scores=[folder / path for path in plan.scores],
    output:
        table=f"results/{{study}}/{layout.EVALUATOR}",
        record=f"results/{{study}}/{layout.record(layout.CROSS_CHECK)}",
    log:
        "results/{study}/logs/cross-check.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **allocated("cross-check"),
    params:
        evaluation=plan.evaluation.model_dump(mode="json"),
        sources=sources_of("rgmp.study.cross_check"),
    message:
        "cross-check scores with the other engine"
    shell:
        "rgmp cross-check results/{wildcards.study} --processes {threads} --record {output.record} "
        "> {log} 2>&1"
