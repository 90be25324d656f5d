# What is mistyped on the command line gets the nearest name, before jobs are planned; Snakemake knows its targets only
# later. Around a study in a module there may be other rules: there, only what is in the results of the study is checked.
from snakemake.cli import get_argument_parser

if workflow.is_main_process and Path(sys.argv[0]).name in ("snakemake", "__main__.py"):
    typed, _ = get_argument_parser().parse_known_args(sys.argv[1:])
    alone = workflow.modifier.is_main_snakefile()
    made = [*rules.report.output, *rules.compare.output, *ALL_FIGURES]
    errors.run(
        lambda: text.check_targets(
            [
                target
                for target in (*typed.targets, *typed.forcerun, *typed.until, *typed.omit_from)
                if target and (alone or target.startswith(f"{RESULTS}/"))
            ],
            [
                *(rule.name for rule in workflow.rules),
                *PLAN.run_files,
                *(str(path).replace("<results>", str(RESULTS)) for path in made),
            ],
            lambda target: any(rule.is_producer(target) for rule in workflow.rules),
        )
    )
