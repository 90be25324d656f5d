"""Show how far a study is; or, with --plan, what a run would do and take. In the folder of its config.yaml."""

import argparse
import sys
from pathlib import Path

from ablation import errors, files
from ablation.plan import Plan
from ablation.report import progress, status
from ablation.report.wording import FEW, TOP
from ablation.settings import check, specs, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[], metavar="FILE", help="as for snakemake")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")
    parser.add_argument("--replace-workflow-config", action="store_true", help="as for snakemake")
    parser.add_argument("--plan", action="store_true", help="what a run would do and take")
    arguments = parser.parse_args()
    own = [] if arguments.replace_workflow_config else ["config.yaml"]
    schema = specs.load_schema()
    config, places = text.read_config([*own, *arguments.configfile], arguments.config, schema)
    try:
        config = check.validate_and_fill(config, schema)
        plan = Plan(
            config, schema, Path(config.get("pathvars", {}).get("results", "results")), Path(".snakemake/digests.json")
        )
    except errors.InputError as error:
        sys.exit(f"config error: {text.located(error, places)}")
    if arguments.plan:
        images = status.images_of(plan)
        if images:
            time_what_is_unknown(plan, images)
        print("\n".join(status.forecast(plan, images)))
    else:
        print("\n".join(status.status(plan)))


def time_what_is_unknown(plan: Plan, images: status.Images) -> None:
    """Time a few steps of those trainings of which nothing was measured yet, and remember it.

    Of more than FEW models at most TOP are timed, as far apart in the config as possible.
    """
    now = progress.Progress(plan)
    step = -(-len(now.pace) // TOP) if len(now.pace) > FEW else 1
    keys = [key for key in list(now.pace)[::step] if key in now.unknown]
    unknown = {key: specs.model_spec(plan.config, plan.models_trained_as[key][0]) for key in keys}
    if not unknown:
        return
    from ablation.training import pace

    options = {name: plan.config["training"][name] for name in ("device", "threads", "jobs_per_gpu")}
    number = plan.config["limits"]["train_images"] or images.train
    for key, timed in pace.time_trainings(unknown, number, images.shape, images.classes, **options):
        print(f"timed a few steps of {plan.models_trained_as[key][0]}", file=sys.stderr)
        now.timed[key] = timed
        files.write_json(progress.PACES, now.timed)


if __name__ == "__main__":
    errors.run(main)
