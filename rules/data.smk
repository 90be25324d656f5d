# From an address to whitened images. Parameters with a user's text are functions: there Snakemake sees no wildcards.


# Nodes of a cluster seldom reach the internet.
localrules:
    download,


# The sums decide what the files are; update() leaves finished ones in place for the program to verify.
rule download:
    output:
        update([f"<results>/{name}" for name in PLAN.source.downloads]),
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
        sources=lambda wildcards: PLAN.source.addresses,
        sha256=list(PLAN.source.downloads.values()),
        minimum_rate=config["download"]["minimum_rate"],
    shell:
        "exec python {params.program:q} --sources {params.sources:q} --sha256 {params.sha256}"
        " --minimum-rate {params.minimum_rate} --output {output:q} --log {log:q} 2>> {log:q}"


rule prepare:
    input:
        ancient([f"<results>/{name}" for name in PLAN.source.downloads] or PLAN.source.path or []),
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
        mem_mb=scaled_memory(2000),
        runtime=60,
    params:
        arguments=lambda wildcards: PLAN.arguments_of_prepare(),
        program=f"{SCRIPTS}/prepare.py",
    shell:
        "exec python {params.program:q} {params.arguments:q} --output {output.images:q} --log {log:q} 2>> {log:q}"


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
        mem_mb=scaled_memory(PLAN.whitening_resources["mem_mb"]),
        runtime=PLAN.whitening_resources["runtime"],
    params:
        program=f"{SCRIPTS}/whiten.py",
        made_from=lambda wildcards: json.dumps(PLAN.whitened),
    shell:
        "exec python {params.program:q} --images {input.images:q} --made-from {params.made_from:q}"
        " --output {output.images:q} --log {log:q} 2>> {log:q}"
