# What a reader opens.


# A second each, which is less than submitting a job takes.
localrules:
    plot_loss,
    compare,
    report,


rule plot_loss:
    input:
        histories=expand("<results>/runs/{{model}}/seed{seed}/history.csv", seed=config["seeds"]),
        code=code_of("plot_loss.py"),
    output:
        report(
            "<results>/figures/loss_{model}.png",
            caption="report/loss.rst",
            category="Loss curves",
            labels={"model": "{model}"},
        ),
    log:
        "<logs>/plot_loss/{model}.log",
    benchmark:
        "<benchmarks>/plot_loss/{model}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    shell:
        "python {input.code[0]:q} --histories {input.histories:q} --title {wildcards.model}"
        " --output {output:q} > {log:q} 2>&1"


rule compare:
    input:
        metrics=all_metrics(),
        code=code_of("compare.py"),
    output:
        report(
            "<results>/report/accuracy.csv",
            caption="report/accuracy.rst",
            category="Accuracy",
            labels={"table": "accuracy by model"},
        ),
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        models=rows_of_table,
    shell:
        "python {input.code[0]:q} --metrics {input.metrics:q} --models {params.models:q}"
        " --output {output:q} > {log:q} 2>&1"


rule report:
    input:
        table="<results>/report/accuracy.csv",
        metrics=all_metrics(),
        figures=expand("<results>/figures/loss_{model}.png", model=config["models"]),
        template=TEMPLATE,
        code=code_of("report.py"),
    output:
        report(
            "<results>/report/index.html",
            caption="report/report.rst",
            category="Report",
            labels={"page": "the study on one page"},
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        study=study_of_report,
    shell:
        "python {input.code[0]:q} --template {input.template:q} --table {input.table:q}"
        " --metrics {input.metrics:q} --figures {input.figures:q} --study {params.study:q}"
        " --output {output:q} > {log:q} 2>&1"
