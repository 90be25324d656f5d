"""The report: one HTML page that needs nothing else."""

import base64
from datetime import timedelta

import jinja2


def render(template, table, study, figures, runs):
    """Return the report as HTML.

    template: text of the Jinja2 template; table: DataFrame of table.COLUMNS; study: dict of
    title, descriptions by model, defaults and inputs of the models, dataset, epsilon, limits and
    the source of published figures; figures: PNG bytes by model; runs: the metrics.json of every run.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["duration"] = lambda seconds: str(timedelta(seconds=round(seconds)))
    environment.filters["numbers"] = lambda numbers: " or ".join(f"{number:,}" for number in numbers)
    environment.filters["percent"] = lambda share: f"{100 * share:.2f}"
    environment.filters["png"] = lambda image: f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return environment.from_string(template).render(
        rows=table.astype(object).where(table.notna(), None).to_dict("records"),
        study=study,
        figures=figures,
        made={
            key: sorted({str(run[key]) for run in runs}) for key in ("device", "precision", "machine", "git_revision")
        },
        versions=sorted({f"{name} {version}" for run in runs for name, version in run["versions"].items()}),
        images={part: sorted({run[f"{part}_images"] for run in runs}) for part in ("train", "validation", "test")},
        seeds=sorted({run["seed"] for run in runs}),
        standard_error=(table["test_accuracy"] * (1 - table["test_accuracy"]) / runs[0]["test_images"]).max() ** 0.5,
    )
