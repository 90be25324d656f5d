# From an address to whitened images.


# Nodes of a cluster seldom reach the internet.
localrules:
    download,


# The sum decides what the archive is; update() leaves a finished one in place for the program to verify.
rule download:
    output:
        update("<results>/data/cifar-10-python.tar.gz"),
    log:
        "<logs>/download.log",
    benchmark:
        "<benchmarks>/download.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=240,
    params:
        program=f"{SCRIPTS}/download.py",
        sources=config["download"]["sources"],
        sha256=config["download"]["sha256"],
        minimum_rate=config["download"]["minimum_rate"],
    shell:
        "exec python {params.program:q} --sources {params.sources:q} --sha256 {params.sha256}"
        " --minimum-rate {params.minimum_rate} --output {output:q} --log {log:q} 2>> {log:q}"


rule prepare:
    input:
        source=ancient(
            "<results>/data/cifar-10-python.tar.gz" if PLAN.is_downloaded else PLAN.source or []
        ),
    output:
        images=f"<results>/{PLAN.images_path}",
        record=f"<results>/{Path(PLAN.images_path).with_suffix('.json')}",
    log:
        "<logs>/prepare.log",
    benchmark:
        "<benchmarks>/prepare.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=scaled_memory(1500),
        runtime=10,
    params:
        program=f"{SCRIPTS}/prepare.py",
        made_from=json.dumps(PLAN.images),
        sha256=config["download"]["sha256"],
    shell:
        "exec python {params.program:q} --source {input.source:q} --sha256 {params.sha256} --made-from {params.made_from:q}"
        " --output {output.images:q} --log {log:q} 2>> {log:q}"


rule whiten:
    input:
        images=ancient(f"<results>/{PLAN.images_path}"),
    output:
        images=f"<results>/{PLAN.whitened_path}",
        record=f"<results>/{Path(PLAN.whitened_path).with_suffix('.json')}",
    log:
        "<logs>/whiten.log",
    benchmark:
        "<benchmarks>/whiten.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=scaled_memory(3000),
        runtime=30,
    params:
        program=f"{SCRIPTS}/whiten.py",
        made_from=json.dumps(PLAN.whitened),
    shell:
        "exec python {params.program:q} --images {input.images:q} --made-from {params.made_from:q}"
        " --output {output.images:q} > {log:q} 2>&1"
