# From images to predictions, one job per model and seed.


rule train:
    input:
        data=images_of_model,
        digest=digest_to_train,
        code=code_of("train.py"),
    output:
        model="<results>/runs/{model}/seed{seed}/model.keras",
        history="<results>/runs/{model}/seed{seed}/history.csv",
        provenance="<results>/runs/{model}/seed{seed}/training.json",
    log:
        "<logs>/train/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{model}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: config["training"]["threads"]
    resources:
        **gpu_of_training(),
        # No params: beside whom a training runs, and how often it saves its state, change nothing that it computes.
        jobs_per_gpu=config["training"]["jobs_per_gpu"],
        checkpoint_epochs=config["training"]["checkpoint_epochs"],
        mem_mb=growing(6000),
        runtime=240,
    params:
        spec=spec_of_model,
        device=config["training"]["device"],
    # Slurm signals every process of a job: the shell stays until the state is saved, tee until that is said.
    shell:
        ": > {log:q}; trap : TERM;"
        " python {input.code[0]:q} --data {input.data:q} --digest {input.digest:q} --spec {params.spec:q}"
        " --name {wildcards.model} --seed {wildcards.seed} --device {params.device} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu} --checkpoint-epochs {resources.checkpoint_epochs}"
        " --model {output.model:q} --history {output.history:q} --provenance {output.provenance:q}"
        " 2>> {log:q} | (trap '' TERM; exec tee -a {log:q})"


rule evaluate:
    input:
        data=images_of_model,
        digest=digest_to_evaluate,
        model=ancient(trained("model.keras")),  # its digest is in training.json
        provenance=trained("training.json"),
        code=code_of("evaluate.py"),
    output:
        predictions="<results>/runs/{model}/seed{seed}/predictions.npz",
        metrics="<results>/runs/{model}/seed{seed}/metrics.json",
    log:
        "<logs>/evaluate/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(2000),
        runtime=20,
    params:
        test_time_augmentation=test_time_augmentation,
    shell:
        "python {input.code[0]:q} --data {input.data:q} --digest {input.digest:q} --model {input.model:q}"
        " --provenance {input.provenance:q} --name {wildcards.model} --threads {threads}"
        " --test-time-augmentation {params.test_time_augmentation}"
        " --predictions {output.predictions:q} --metrics {output.metrics:q} > {log:q} 2>&1"
