from snakemake.utils import min_version

min_version("9.27")


include: "rules/config.smk"


# Of one study everything is in one folder, unless the config says otherwise.
pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.compare.output,
        ALL_FIGURES,


include: "rules/targets.smk"
