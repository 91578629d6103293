# RGMP, reproduced: from data to report, one rule per step.
#
#   snakemake --cores 4 all                                              the embedded benchmark
#   snakemake --cores 4 all --configfile workflow/config/davis.yaml      the paper's study
#   snakemake --cores 4 all --configfile workflow/config/published.yaml  published masks, compared
#
# render or read data -> check it -> pretrain on synthetic pairs -> finetune on videos with BPTT
# -> masks and J&F of every frame, seconds per frame -> tables -> figures -> MLflow -> report.html
# -> where results/reference/ has a finished run of the study, whether this one agrees with it.
# Every rule is one `rgmp` command that can be run by hand, in the active environment (`conda:`
# documents it). The jobs follow from the study (workflow/config/*.yaml) and the variants
# (ablations/*.yaml).

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


# Not while parsing: a dry run must not replace the plan that a concurrent run works by, nor put its
# name on the lock.
onstart:
    record_lock_owner(lock_owner)
    save_plan(plan, folder)
    keep_estimate()
    say_what_is_due()


onsuccess:
    say_what_came()


wildcard_constraints:
    study=plan.study,
    benchmark="|".join(plan.benchmarks),
    external="|".join(e.name for e in plan.external) or "(?!)",


if isinstance(plan, ComparisonPlan):

    include: "workflow/rules/compare.smk"

else:

    wildcard_constraints:
        stage="|".join(STAGES),
        training="[a-z0-9_]+-seed[0-9]+-[0-9a-f]+",
        part="[A-Za-z0-9._-]+",
        variant="|".join(v.name for v in plan.variants),
        seed="|".join(str(seed) for seed in plan.seeds),
        step="[0-9]+",

    include: "workflow/rules/data.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/speed.smk"
    include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        targets(),
