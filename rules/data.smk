# From an address to whitened images.


# Nodes of a cluster seldom reach the internet.
localrules:
    download,


# The sum decides what the archive is: prepare doesn't run again because it was fetched again,
# and update() leaves a finished one in place for the program to recognise.
rule download:
    input:
        code=code_of("download.py"),
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
        sources=sources_of_archive,
        sha256=config["download"]["sha256"],
        minimum_rate=config["download"]["minimum_rate"],
    shell:
        "python {input.code[0]:q} --sources {params.sources:q} --sha256 {params.sha256}"
        " --minimum-rate {params.minimum_rate} --output {output:q} 2>&1 | tee {log:q}"


# A checkpoint's first output stands for what follows it until it has run, so that is a digest.
checkpoint prepare:
    input:
        source=source_of_images,
        code=code_of("prepare.py"),
    output:
        train_digest="<results>/data/images.train.sha256",
        test_digest="<results>/data/images.test.sha256",
        images="<results>/data/images.npz",
    log:
        "<logs>/prepare.log",
    benchmark:
        "<benchmarks>/prepare.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=10,
    params:
        dataset=config["dataset"]["name"],
        shuffle_seed=config["dataset"]["shuffle_seed"],
        limits=limits_of_images(),
        sha256=config["download"]["sha256"],
    shell:
        "python {input.code[0]:q} --dataset {params.dataset} --shuffle-seed {params.shuffle_seed}"
        " --sha256 {params.sha256} --source {input.source:q} {params.limits}"
        " --output {output.images:q} --digests {output.train_digest:q} {output.test_digest:q} 2>&1 | tee {log:q}"


checkpoint whiten:
    input:
        images=ancient("<results>/data/images.npz"),
        digests=digests_to_whiten,
        code=code_of("whiten.py"),
    output:
        train_digest="<results>/data/zca.train.sha256",
        test_digest="<results>/data/zca.test.sha256",
        images="<results>/data/zca.npz",
    log:
        "<logs>/whiten.log",
    benchmark:
        "<benchmarks>/whiten.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=growing(3000),
        runtime=30,
    params:
        epsilon=config["whitening"]["epsilon"],
        leave_out=settings.left_out_of_whitening(config),
    shell:
        "python {input.code[0]:q} --images {input.images:q} --image-digests {input.digests:q}"
        " --epsilon {params.epsilon} --leave-out {params.leave_out} --output {output.images:q}"
        " --digests {output.train_digest:q} {output.test_digest:q} > {log:q} 2>&1"
