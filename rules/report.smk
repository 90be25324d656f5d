# What a reader opens.


# Some seconds each, which is less than a job takes before it starts.
localrules:
    plot_model,
    plot_whitening,
    plot_study,
    compare,
    report,


rule plot_model:
    input:
        histories=histories_of_model,
        metrics=of_seeds("{model}", "metrics.json"),
        of_baseline=of_seeds(config["baseline"], "metrics.json"),
        # The digests in metrics.json decide, not the time of these.
        predictions=ancient(of_seeds("{model}", "predictions.npz")),
        baseline=ancient(of_seeds(config["baseline"], "predictions.npz")),
        images=ancient("<results>/data/images.npz"),
        digest=test_images_digest,
        code=code_of("plot_model.py"),
    output:
        loss=report(
            "<results>/figures/loss_{model}.png",
            caption="report/curves_of_model.rst",
            category="Learning curves",
            labels={"figure": FIGURES_OF_MODEL["loss"], "model": "{model}"},
        ),
        accuracy=report(
            "<results>/figures/accuracy_{model}.png",
            caption="report/curves_of_model.rst",
            category="Learning curves",
            labels={"figure": FIGURES_OF_MODEL["accuracy"], "model": "{model}"},
        ),
        confusion=report(
            "<results>/figures/confusion_{model}.png",
            caption="report/confusion.rst",
            category="Mistakes",
            labels={"figure": FIGURES_OF_MODEL["confusion"], "model": "{model}"},
        ),
        mistakes=report(
            "<results>/figures/mistakes_{model}.png",
            caption="report/mistakes.rst",
            category="Mistakes",
            labels={"figure": FIGURES_OF_MODEL["mistakes"], "model": "{model}"},
        ),
    log:
        "<logs>/plot_model/{model}.log",
    benchmark:
        "<benchmarks>/plot_model/{model}.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python {input.code[0]:q} --histories {input.histories:q} --predictions {input.predictions:q}"
        " --baseline {input.baseline:q} --images {input.images:q} --title {wildcards.model}"
        " --loss {output.loss:q} --accuracy {output.accuracy:q}"
        " --confusion {output.confusion:q} --mistakes {output.mistakes:q} > {log:q} 2>&1"


rule plot_whitening:
    input:
        images=ancient("<results>/data/images.npz"),
        whitened=ancient("<results>/data/zca.npz"),
        digests=whitened_digests,
        code=code_of("plot_whitening.py"),
    output:
        pictures=report(
            "<results>/figures/whitening.png",
            caption="report/whitening.rst",
            category="Whitening",
            labels={"figure": FIGURES_OF_WHITENING["whitening"], "model": ""},
        ),
        filters=report(
            "<results>/figures/filters.png",
            caption="report/whitening.rst",
            category="Whitening",
            labels={"figure": FIGURES_OF_WHITENING["filters"], "model": ""},
        ),
        eigenvalues=report(
            "<results>/figures/eigenvalues.png",
            caption="report/whitening.rst",
            category="Whitening",
            labels={"figure": FIGURES_OF_WHITENING["eigenvalues"], "model": ""},
        ),
    log:
        "<logs>/plot_whitening.log",
    benchmark:
        "<benchmarks>/plot_whitening.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python {input.code[0]:q} --images {input.images:q} --whitened {input.whitened:q}"
        " --pictures {output.pictures:q} --filters {output.filters:q}"
        " --eigenvalues {output.eigenvalues:q} > {log:q} 2>&1"


rule compare:
    input:
        metrics=of_all_runs("metrics.json"),
        predictions=ancient(of_all_runs("predictions.npz")),  # their digests are in metrics.json
        code=code_of("compare.py"),
    output:
        accuracy=report(
            "<results>/report/accuracy.csv",
            caption="report/accuracy.rst",
            category="Accuracy",
            labels={"figure": "table of accuracies", "model": ""},
        ),
        comparisons=report(
            "<results>/report/comparisons.csv",
            caption="report/comparisons.rst",
            category="Accuracy",
            labels={"figure": "table of comparisons", "model": ""},
        ),
        markdown="<results>/report/accuracy.md",
        latex="<results>/report/accuracy.tex",
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        models=rows_of_table,
        baseline=config["baseline"],
    shell:
        "python {input.code[0]:q} --metrics {input.metrics:q} --predictions {input.predictions:q}"
        " --models {params.models:q} --baseline {params.baseline:q} --accuracy {output.accuracy:q}"
        " --comparisons {output.comparisons:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " > {log:q} 2>&1"


rule plot_study:
    input:
        metrics=of_all_runs("metrics.json"),
        predictions=ancient(of_all_runs("predictions.npz")),
        histories=histories_of(config["models"]),
        images=ancient("<results>/data/images.npz"),
        digest=test_images_digest,
        table="<results>/report/accuracy.csv",
        comparisons="<results>/report/comparisons.csv",
        code=code_of("plot_study.py"),
    output:
        curves=report(
            "<results>/figures/curves.png",
            caption="report/curves.rst",
            category="Learning curves",
            labels={"figure": FIGURES["curves"], "model": ""},
        ),
        accuracies=report(
            "<results>/figures/accuracies.png",
            caption="report/accuracies.rst",
            category="Accuracy",
            labels={"figure": FIGURES["accuracies"], "model": ""},
        ),
        differences=report(
            "<results>/figures/differences.png",
            caption="report/differences.rst",
            category="Accuracy",
            labels={"figure": FIGURES["differences"], "model": ""},
        ),
        classes=report(
            "<results>/figures/classes.png",
            caption="report/classes.rst",
            category="Accuracy",
            labels={"figure": FIGURES["classes"], "model": ""},
        ),
        calibration=report(
            "<results>/figures/calibration.png",
            caption="report/calibration.rst",
            category="Accuracy",
            labels={"figure": FIGURES["calibration"], "model": ""},
        ),
        cost=report(
            "<results>/figures/cost.png",
            caption="report/cost.rst",
            category="Accuracy",
            labels={"figure": FIGURES["cost"], "model": ""},
        ),
    log:
        "<logs>/plot_study.log",
    benchmark:
        "<benchmarks>/plot_study.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    shell:
        "python {input.code[0]:q} --metrics {input.metrics:q}"
        " --predictions {input.predictions:q} --histories {input.histories:q} --images {input.images:q}"
        " --table {input.table:q} --comparisons {input.comparisons:q} --curves {output.curves:q}"
        " --accuracies {output.accuracies:q} --differences {output.differences:q}"
        " --classes {output.classes:q} --calibration {output.calibration:q} --cost {output.cost:q}"
        " > {log:q} 2>&1"


rule report:
    input:
        table="<results>/report/accuracy.csv",
        comparisons="<results>/report/comparisons.csv",
        metrics=of_all_runs("metrics.json"),
        figures=all_figures(),
        template=TEMPLATE,
        code=code_of("report.py"),
    output:
        report(
            "<results>/report/index.html",
            caption="report/report.rst",
            category="Report",
            labels={"figure": "the study on one page", "model": ""},
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
        " --comparisons {input.comparisons:q} --metrics {input.metrics:q} --figures {input.figures:q}"
        " --study {params.study:q} --output {output:q} > {log:q} 2>&1"
