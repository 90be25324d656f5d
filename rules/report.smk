# What a reader opens.


# A few seconds each, which is less than a job takes before it starts.
localrules:
    study,
    compare,
    report,


# What the study is, for the programs below: a file, since a command line can't be as long as a study may be.
rule study:
    input:
        unpack(
            written(
                "study",
                ["study.json"],
                lambda: PLAN.study["key"],
                template=str(HOME / "rules/report/study.json.j2"),
            )
        ),
    output:
        "<results>/report/study.json",
    log:
        "<logs>/study.log",
    benchmark:
        "<benchmarks>/study.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        study=lambda wildcards: json.dumps(PLAN.study, indent=2),  # in a function braces are no wildcards
    template_engine:
        "jinja2"


rule compare:
    input:
        unpack(
            written(
                "compare",
                TABLE_FILES,
                lambda: OUTPUTS.tables,
                study="<results>/report/study.json",
                images=f"<results>/{PLAN.images_path}",
                metrics=runs_of(*config["models"]),
            )
        ),
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
        confusion="<results>/report/confusion.csv",
        classes="<results>/report/classes.csv",
        mistakes="<results>/report/mistakes.csv",
        predictions="<results>/report/predictions.csv.gz",
        latex="<results>/report/accuracy.tex",
        markdown="<results>/report/accuracy.md",
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
        program=f"{SCRIPTS}/compare.py",
    shell:
        "exec python {params.program:q} --study {input.study:q} --accuracy {output.accuracy:q}"
        " --comparisons {output.comparisons:q} --confusion {output.confusion:q} --classes {output.classes:q}"
        " --mistakes {output.mistakes:q} --predictions {output.predictions:q} --latex {output.latex:q}"
        " --markdown {output.markdown:q} > {log:q} 2>&1"


for figure, facts in FIGURES.items():
    of = f"_{{{facts.scope}}}" if facts.scope in ("model", "family") else ""

    rule:
        name:
            f"plot_{figure}"
        input:
            unpack(inputs_of_figure(figure)),
        output:
            report(
                f"<results>/figures/{figure}{of}.png",
                caption="report/figure.rst",
                category=facts.category,
                labels={"figure": facts.title, "model": of.lstrip("_")},
            ),
            f"<results>/figures/{figure}{of}.svg",
            f"<results>/figures/{figure}{of}.pdf",
        log:
            f"<logs>/plot/{figure}{of}.log",
        benchmark:
            f"<benchmarks>/plot/{figure}{of}.tsv"
        wildcard_constraints:
            model="|".join(names(figure, PLAN.study["facts"])).replace(".", "[.]"),
        localrule: True
        conda:
            "../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            program=f"{SCRIPTS}/plot.py",
            figure=figure,
            caption=facts.caption,
            of=lambda wildcards: f"--of {wildcards[0]}" if wildcards else "",
        shell:
            "exec python {params.program:q} --study {input.study:q} --figure {params.figure}"
            " {params.of} --output {output:q} > {log:q} 2>&1"


rule report:
    input:
        unpack(
            written(
                "report",
                ["index.html"],
                lambda: OUTPUTS.report,
                study="<results>/report/study.json",
                data=[
                    f"<results>/{path}"
                    for path in (PLAN.study["images"], PLAN.study["whitened"])
                    if path
                ],
                tables=rules.compare.output,
                figures=ALL_FIGURES,
            )
        ),
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
        program=f"{SCRIPTS}/report.py",
    shell:
        "exec python {params.program:q} --study {input.study:q} --output {output:q} > {log:q} 2>&1"


for target, option in {"unused": "", "remove_unused": "--remove"}.items():

    rule:
        name:
            target
        input:
            study="<results>/report/study.json",
        log:
            f"<logs>/{target}.log",
        localrule: True
        conda:
            "../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=60,
        params:
            program=f"{SCRIPTS}/unused.py",
            option=option,
        shell:
            "exec python {params.program:q} --study {input.study:q} {params.option} --log {log:q} 2>> {log:q}"
