"""A finished study for other programs: one long table of metrics, or the runs of an MLflow experiment."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from ablation.errors import InputError
from ablation.report.study import Study

METRICS = ("loss", "accuracy", "accuracy_no_tta")  # of an evaluation, behind the name of the images
KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow shows trainings first, not language models
BATCH = 1000  # metrics that MLflow takes at once

logger = logging.getLogger(__name__)


def metrics_table(study: Study) -> pd.DataFrame:
    """Return all metrics of all runs, a row each: `model`, `seed`, `epoch`, `metric`, `value`.

    Those of history.csv are by epoch, from 1; those of the evaluation with the final weights and the number of
    parameters have no epoch. What there isn't has no row, as the validation loss without validation images.
    """
    tables = []
    for model in study.models:
        for run, history in zip(study.metrics_of(model), study.histories(model), strict=True):
            final = {f"{study.report_on}_{name}": run[f"{study.report_on}_{name}"] for name in METRICS}
            final["parameters"] = run["parameters"]
            curves = history.melt("epoch", var_name="metric").sort_values("epoch", kind="stable")
            table = pd.concat([curves, pd.DataFrame({"metric": final.keys(), "value": final.values()})])
            tables.append(table.assign(model=model, seed=run["seed"]))
    table = pd.concat(tables, ignore_index=True).dropna(subset="value").astype({"epoch": "Int64"})
    return table[["model", "seed", "epoch", "metric", "value"]]


def to_mlflow(study: Study, uri: str) -> None:
    """Write each run of a study as a run of MLflow, into the experiment of the study's title.

    uri: where MLflow keeps its runs. Settings are parameters; metrics by epoch have it as their step and the time at
    which it ended, and those of the evaluation come one step later. A run that is there already, by the key of its
    evaluation, is left as it is.

    Raises InputError without the package mlflow, and for what it refuses.
    """
    try:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise InputError("MLflow is not installed; pip install mlflow, or export csv") from None
    try:
        client, title = MlflowClient(tracking_uri=uri), study.facts["title"]
        experiment = client.get_experiment_by_name(title)
        folder = experiment.experiment_id if experiment else client.create_experiment(title, tags=KIND)
        there = {run.data.tags.get("key") for run in _runs(client, folder)}
        table = metrics_table(study)
        for run in study.metrics:
            name = f"{run['model']} seed {run['seed']}"
            if run["key"] in there:
                logger.info(f"{name}: is there already")
                continue
            end = 1000 * datetime.fromisoformat(run["finished"]).timestamp()
            rows = table[(table["model"] == run["model"]) & (table["seed"] == run["seed"])]
            seconds = rows[rows["metric"] == "seconds"].set_index("epoch")["value"].cumsum()
            last, total = seconds.index.max(), seconds.max()
            metrics = [
                Metric(name, float(value), int(end - 1000 * (total - seconds.get(epoch, total))), int(epoch))
                for epoch, name, value in rows.fillna({"epoch": last + 1})[["epoch", "metric", "value"]].itertuples(
                    False
                )
            ]
            tags = {"model": run["model"], "seed": run["seed"], "key": run["key"], "revision": run["git_revision"]}
            tags |= {**run["versions"], "device": run["device"], "machine": run["machine"]}
            into = client.create_run(folder, int(end - 1000 * total), run_name=name).info.run_id
            params = [Param(key, str(value)) for key, value in run["spec"].items() if value is not None]
            client.log_batch(into, params=params, tags=[RunTag(key, str(value)) for key, value in tags.items()])
            for start in range(0, len(metrics), BATCH):
                client.log_batch(into, metrics[start : start + BATCH])
            client.set_terminated(into, end_time=int(end))
            logger.info(f"{name}: written")
    except MlflowException as error:
        raise InputError(f"{uri}: MLflow says: {' '.join(str(error).split())}") from None


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    """Yield all runs of an experiment, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        if not (token := page.token):
            return
