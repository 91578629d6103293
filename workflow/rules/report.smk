# From scores, speed files and records to tables, figures, MLflow and report: seconds, no GPU, no
# torch. The tables hold every statistic of methods and variants; figures and report read them. They
# run where Snakemake does, also where other jobs go to a cluster: its queue would take longer, and
# MLflow's SQLite file must not be opened from several machines.


localrules:
    make_tables,
    make_figures,
    track,
    make_report,
    agree,


rule make_tables:
    input:
        measured=measured_files,
        cross_check=rules.cross_check.output.record,
        longer=longer_study_files(plan),
    output:
        csv=[
            report(
                f"results/{{study}}/tables/{entry.name}.csv",
                caption=caption_file("table", entry),
                category="Tables",
            )
            for entry in catalog.tables(plan)
        ],
        text=expand(
            "results/{{study}}/tables/{name}.{suffix}",
            name=catalog.table_names(plan),
            suffix=["md", "tex"],
        ),
        data=expand("results/{{study}}/tables/{name}.csv", name=layout.TIDY),
        dictionary=f"results/{{study}}/tables/{layout.DICTIONARY}",
        methods=expand("results/{{study}}/tables/{name}", name=layout.METHODS),
        normal_range=f"results/{{study}}/tables/{layout.NORMAL_RANGE}",
        record="results/{study}/records/tables.json",
    log:
        "results/{study}/logs/tables.log",
    conda:
        "../../environment.yml"
    params:
        plan=plan.digest,
        sources=sources_of("rgmp.reporting.tables"),
    message:
        "tables"
    shell:
        "rgmp tables results/{wildcards.study} --record {output.record} > {log} 2>&1"


rule make_figures:
    input:
        tables=rules.make_tables.output.csv,
        data=rules.make_tables.output.data,
        record=rules.make_tables.output.record,
    output:
        png=[
            report(
                f"results/{{study}}/figures/{entry.name}.png",
                caption=caption_file("figure", entry),
                category="Figures",
            )
            for entry in catalog.FIGURE_ENTRIES
        ],
        pdf=expand("results/{{study}}/figures/{name}.pdf", name=catalog.FIGURE_NAMES),
        record="results/{study}/records/figures.json",
    log:
        "results/{study}/logs/figures.log",
    conda:
        "../../environment.yml"
    params:
        plan=plan.digest,
        sources=sources_of(
            "rgmp.reporting.figures.write", *(entry.module for entry in catalog.FIGURE_ENTRIES)
        ),
    message:
        "figures"
    shell:
        "rgmp figures results/{wildcards.study} --record {output.record} > {log} 2>&1"


# The files are the source of truth and MLflow mirrors them: an unavailable store causes a warning.
rule track:
    input:
        measured=measured_files,
        tables=rules.make_tables.output.record,
        figures=rules.make_figures.output.record,
    output:
        runs="results/{study}/mlflow.json",
        record="results/{study}/records/track.json",
    log:
        "results/{study}/logs/track.log",
    conda:
        "../../environment.yml"
    params:
        plan=plan.digest,
        sources=sources_of("rgmp.tracking.track"),
    message:
        "mirror the records in MLflow"
    shell:
        "rgmp track results/{wildcards.study} --record {output.record} > {log} 2>&1"


rule make_report:
    input:
        tables=rules.make_tables.output.csv,
        data=rules.make_tables.output.data,
        figures=rules.make_figures.output.png,
        runs=rules.track.output.runs,
        longer=longer_study_files(plan),
    output:
        report=report(
            "results/{study}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        record="results/{study}/records/report.json",
    log:
        "results/{study}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        plan=plan.digest,
        sources=sources_of("rgmp.reporting.report"),
    message:
        "report: {output.report}"
    shell:
        "rgmp report results/{wildcards.study} --record {output.record} > {log} 2>&1"


# Last, so that it is what stands at the end of the run. It is for people to judge: neither a
# contradiction (status 1) nor a reference that cannot be read (2) fails the run; a killed comparison
# does, and is made again.
rule agree:
    input:
        report=rules.make_report.output.report,
        tables=rules.make_tables.output.csv,
        reference=reference_files(reference),
    output:
        f"results/{{study}}/{layout.AGREEMENT}",
    log:
        "results/{study}/logs/agree.log",
    conda:
        "../../environment.yml"
    params:
        reference=reference,
        plan=plan.digest,
        sources=sources_of("rgmp.reporting.agreement"),
    message:
        "compare with {params.reference}"
    shell:
        "rgmp agree results/{wildcards.study} {params.reference} > {log} 2>&1 "
        "|| [ $? -le 2 ] && cp {log} {output}"
