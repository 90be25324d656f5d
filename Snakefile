from snakemake.cli import get_argument_parser
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


# What is mistyped on the command line gets the nearest name, before jobs are planned; Snakemake knows its targets only
# later. A study in a module leaves this to the workflow around it.
if Path(sys.argv[0]).name in ("snakemake", "__main__.py") and workflow.modifier.is_main_snakefile():
    typed, _ = get_argument_parser().parse_known_args(sys.argv[1:])
    made = [*rules.report.output, *rules.compare.output, *ALL_FIGURES]
    errors.run(
        lambda: text.check_targets(
            filter(None, [*typed.targets, *typed.forcerun, *typed.until, *typed.omit_from]),
            [
                *(rule.name for rule in workflow.rules),
                *PLAN.run_files,
                *(str(path).replace("<results>", str(RESULTS)) for path in made),
            ],
            lambda target: any(rule.is_producer(target) for rule in workflow.rules),
        )
    )
