"""Collate all runs: a table of accuracies, best first, and the comparisons of all models."""

import argparse
import json
from pathlib import Path

from ablation import errors, files, predictions, statistics, table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json of every run")
    parser.add_argument("--predictions", nargs="+", required=True, help="predictions.npz of the same runs")
    parser.add_argument("--models", type=json.loads, required=True, help="differs, epochs, published figures by model")
    parser.add_argument("--baseline", required=True, help="the model that the others are compared with")
    for output in ("accuracy", "comparisons", "markdown", "latex"):
        parser.add_argument(f"--{output}", required=True)
    arguments = parser.parse_args()

    metrics = [json.loads(Path(path).read_text()) for path in arguments.metrics]
    for run, path in zip(metrics, arguments.predictions, strict=True):
        if files.sha256_of(path) != run["predictions_digest"]:
            raise errors.InputError(f"{path}: is not what its metrics.json stands for; delete both and run again")
    by_model, labels = predictions.read(arguments.predictions, [run["model"] for run in metrics])
    runs = {model: statistics.Runs.of(of_model.predicted == labels) for model, of_model in by_model.items()}
    comparisons = statistics.comparisons(runs, arguments.baseline)
    accuracies = table.accuracy_table(metrics, arguments.models, runs, comparisons)
    texts = table.for_a_paper(accuracies)

    with files.replacing(arguments.comparisons) as temporary:
        comparisons.to_csv(temporary, index=False)
    with files.replacing(arguments.accuracy) as temporary:
        accuracies.to_csv(temporary, index=False)
    files.write_text(arguments.markdown, texts.to_markdown(index=False) + "\n")
    styled = texts.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    files.write_text(arguments.latex, styled.to_latex(hrules=True))


if __name__ == "__main__":
    errors.run(main)
