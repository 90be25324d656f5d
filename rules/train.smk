# From images to predictions: a job per training and seed, which models that train alike share, and one per model and seed.


rule train:
    input:
        data=data_to_train,
    output:
        model="<results>/trainings/{key}/seed{seed}/model.keras",
        history="<results>/trainings/{key}/seed{seed}/history.csv",
        record="<results>/trainings/{key}/seed{seed}/training.json",
    log:
        "<logs>/train/{key}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{key}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: config["training"]["threads"]
    resources:
        # A GPU unless all trainings are on the CPU, where they run side by side.
        **({} if config["training"]["device"] == "cpu" else {"gpu": 1}),
        mem_mb=scaled_memory(6000),
        runtime=240,
    params:
        program=f"{SCRIPTS}/train.py",
        arguments=arguments_of_training,
        folder=lambda wildcards, output: Path(output.model).parent,
    # Slurm signals every process of a job; there is only this one, which saves its state.
    shell:
        "exec python {params.program:q} {params.arguments:q} --seed {wildcards.seed} --threads {threads}"
        " --output {params.folder:q} --log {log:q} 2>> {log:q}"


rule evaluate:
    input:
        unpack(inputs_of_evaluation),
    output:
        expand("<results>/runs/{{model}}/seed{{seed}}/{name}", name=plan.RUN_FILES),
    log:
        "<logs>/evaluate/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=scaled_memory(2000),
        runtime=20,
    params:
        program=f"{SCRIPTS}/evaluate.py",
        made_from=lambda wildcards: json.dumps(
            PLAN.evaluations[wildcards.model][int(wildcards.seed)]
        ),
        data=lambda wildcards: RESULTS / PLAN.data_path(wildcards.model),
        training=lambda wildcards: RESULTS / PLAN.training_path(wildcards.model, wildcards.seed),
        architecture=lambda wildcards: config["models"][wildcards.model]["architecture"],
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "exec python {params.program:q} --data {params.data:q} --training {params.training:q}"
        " --architecture {params.architecture:q} --made-from {params.made_from:q} --threads {threads} --output {params.folder:q}"
        " > {log:q} 2>&1"


# An evaluation links the model as well; this is for who asks for the file by the model's name when it is gone.
rule name_model:
    input:
        lambda wildcards: f"<results>/{PLAN.training_path(wildcards.model, wildcards.seed)}/model.keras",
    output:
        "<results>/runs/{model}/seed{seed}/model.keras",
    log:
        "<logs>/name_model/{model}/seed{seed}.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "(ln -f {input:q} {output:q} || cp {input:q} {output:q}) 2> {log:q}"
