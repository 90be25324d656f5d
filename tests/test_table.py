"""The table's arithmetic, order and texts."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from ablation.report import answers, statistics, table, wording
from ablation.report.study import read_table
from conftest import ROOT
from test_statistics import runs_with

SEEDS = [1, 2, 3, 4, 5]
ACCURACIES = {
    "a": [0.70, 0.71, 0.72, 0.73, 0.74],
    "b": [0.80, 0.81, 0.82, 0.83, 0.84],
    "c": [0.69, 0.72, 0.71, 0.74, 0.73],
}
MODELS = {
    "a": {
        "differs": "",
        "epochs": 2,
        "published_loss": 0.5,
        "published_accuracy": 0.75,
        "val_accuracy": 0.7,
        "train_accuracy": 0.9,
        "still_improving": False,
        "training_seconds": 60.0,
        "balanced_accuracy": 0.7,
    },
    "b": {
        "differs": "decay 0",
        "epochs": 3,
        "published_loss": None,
        "published_accuracy": None,
        "val_accuracy": 0.8,
        "train_accuracy": 0.85,
        "still_improving": True,
        "training_seconds": 60.0,
        "balanced_accuracy": 0.7,
    },
    "c": {
        "differs": "batch_normalization before relu",
        "epochs": 2,
        "published_loss": None,
        "published_accuracy": None,
        "val_accuracy": np.nan,
        "train_accuracy": 0.7,
        "still_improving": None,
        "training_seconds": 60.0,
        "balanced_accuracy": 0.7,
    },
}


def a_study(
    accuracies, seeds=SEEDS, averaged=(), published=True, report_on="test", chance=0.1, families=None, same_as=None
):
    """Return (metrics, comparisons, table) of runs with these accuracies by model; the first is the baseline.

    averaged: models with test-time augmentation, which is worth a point. The seed n trains for 58 + n seconds.
    """
    metrics = [
        {
            "model": model,
            "seed": seed,
            "parameters": 10_000,
            f"{report_on}_loss": 1 - accuracy,
            f"{report_on}_accuracy": accuracy,
            "test_time_augmentation": "flip" if model in averaged else "none",
            f"{report_on}_accuracy_no_tta": accuracy - 0.01 * (model in averaged),
            "seconds": 57.0 + seed,
        }
        for model, of_model in accuracies.items()
        for seed, accuracy in zip(seeds, of_model, strict=False)
    ]
    scores = {model: runs_with(of_model[: len(seeds)]) for model, of_model in accuracies.items()}
    weak = statistics.at_chance(scores, chance)
    comparisons = statistics.comparisons(scores, next(iter(scores)), families, weak, same_as)
    none = {} if published else {"published_loss": None, "published_accuracy": None}
    models = {
        model: MODELS[(same_as or {}).get(model, model)] | none | {"balanced_accuracy": np.mean(of_model[: len(seeds)])}
        for model, of_model in accuracies.items()
    }
    return (
        metrics,
        comparisons,
        table.accuracy_table(metrics, models, scores, comparisons, report_on, chance, same_as or {}),
    )


def test_means_over_seeds_best_first():
    _, _, result = a_study(ACCURACIES)
    assert list(result.columns) == [column.name for column in table.COLUMNS]
    assert list(result["model"]) == ["b", "a", "c"]
    rows = result.set_index("model")
    assert rows.loc["a", "accuracy"] == pytest.approx(0.72)
    assert rows.loc["a", "accuracy_sd"] == pytest.approx(np.std(ACCURACIES["a"], ddof=1))
    assert rows.loc["a", "published_difference"] == pytest.approx(-0.03)
    assert rows.loc["b", "changes"] == "decay 0"
    assert rows.loc["b", "epochs"] == 3
    assert rows.loc["b", "loss"] == pytest.approx(0.18)
    assert rows.loc["b", "training_seconds"] == 60
    assert rows.loc["b", "seeds"] == 5
    assert np.isnan(rows.loc["b", "published_difference"])


def test_a_published_accuracy_is_compared_with_one_more_run():
    rows = a_study(ACCURACIES)[2].set_index("model")  # half of the interval: t(4) * sd * sqrt(1 + 1 / 5)
    assert rows.loc["a", ["run_low", "run_high"]].tolist() == pytest.approx([0.67191, 0.76809], abs=1e-5)
    assert rows["published_within"].tolist() == [None, True, None]
    higher = {**ACCURACIES, "a": [accuracy - 0.02 for accuracy in ACCURACIES["a"]]}
    assert a_study(higher)[2].set_index("model").loc["a", "published_within"] is False
    assert a_study(ACCURACIES, seeds=[1])[2]["published_within"].isna().all()


@pytest.mark.parametrize(
    ("accuracies", "improving"),
    [
        ([0.5] * 8 + [0.6, 0.62], True),  # fifths are two epochs
        ([0.6] * 8 + [0.609, 0.609], False),
        ([0.6] * 8 + [0.612, 0.611], True),
        ([0.1, 0.9] * 5, False),
        ([0.5, 0.9, 0.4, 0.9] * 2 + [0.7, 0.9], False),  # 15 points more, of a standard error of 25
        ([0.2, 0.22, 0.24, 0.26, 0.28, 0.29, 0.3, 0.31, 0.33, 0.4], True),
        ([0.1] * 6 + [0.1, 0.1, 0.3, 0.8], True),
        ([0.1] * 4 + [0.9] * 5, None),
        ([0.1] * 8 + [np.nan, 0.9], None),
    ],
)
def test_what_still_improves_has_not_converged(accuracies, improving):
    assert table._is_improving(np.array(accuracies)) is improving


def test_texts_about_test_images_are_made_those_of_validation_images():
    text = "Test accuracy, test loss and the test images; a test of hypotheses"
    assert wording.on_images(text, "test") == text
    assert wording.on_images(text, "validation") == (
        "Validation accuracy, validation loss and the validation images; a test of hypotheses"
    )


def test_of_many_models_are_shown_as_many_as_the_documentation_says():
    page = " ".join((ROOT / "docs/many.md").read_text(encoding="utf-8").split())
    assert f"{wording.FEW} models" in page and "the ten best" in page and "the forty best" in page
    assert (wording.TOP, wording.ROWS) == (10, 40)


@pytest.mark.parametrize(
    ("difference", "text"),
    [(-0.00004, "+0.00"), (0.00004, "+0.00"), (0.0, "+0.00"), (-0.0123, "−1.23"), (0.2, "+20.00")],
)
def test_points_have_a_sign_and_zero_a_plus(difference, text):
    assert table.points(difference) == text


def test_balanced_accuracy_is_shown_where_it_is_another():
    result = a_study(ACCURACIES)[2]
    assert "unbalanced classes" not in table.features(result)
    assert "unbalanced classes" in table.features(result.assign(balanced_accuracy=0.6))


def test_verdicts_against_the_baseline_which_has_none():
    rows = a_study(ACCURACIES)[2].set_index("model")
    assert rows.loc["b", "baseline_difference"] == pytest.approx(0.1)
    assert rows.loc["b", "baseline_low"] < 0.1 < rows.loc["b", "baseline_high"]
    assert rows.loc["b", "verdict"] == rows.loc["b", "population_verdict"] == "better"
    assert rows.loc["c", "verdict"] == "not distinguishable"
    assert np.isnan(rows.loc["a", "baseline_difference"])
    assert rows["verdict"].isna().tolist() == [False, True, False]


def test_a_study_of_validation_images_says_so():
    result = a_study(ACCURACIES, report_on="validation")[2]
    assert set(result["images"]) == {"validation"}
    assert "validation accuracy" not in table.features(result)  # the same again
    assert "validation accuracy, %" in table.paper_table(result).columns
    assert result["published_difference"].isna().all()  # which is of test images
    assert result["published_within"].isna().all()
    assert "published difference" not in table.features(result)
    assert not any("test" in heading for heading in table.paper_table(result).columns)


def test_a_model_that_is_not_above_chance_is_marked():
    result = a_study({"a": ACCURACIES["a"], "b": [0.098, 0.1, 0.102, 0.1, 0.099]})[2]
    assert result["chance_level"].tolist() == [0.1, 0.1]
    texts = table.paper_table(result).set_index("model")["test accuracy, %"]
    assert texts.to_dict() == {"a": "72.00 ± 1.58", "b": "9.98 ± 0.15"}
    assert table.paper_table(result)["at chance"].tolist() == ["", "yes"]


def test_one_model_alone():
    _, comparisons, result = a_study({"a": ACCURACIES["a"]}, seeds=[1])
    assert comparisons.empty
    assert np.isnan(result["accuracy_sd"].item())
    assert result["population_low"].item() < 0.70 < result["population_high"].item()
    assert table.features(result) == {"", "published", "published difference", "validation accuracy"}


def test_a_csv_is_read_back_as_it_was(tmp_path):
    """Names of models and verdicts stay text, whatever they look like."""
    _, _, result = a_study(ACCURACIES)
    result.loc[0, "model"] = "nan"
    result["changes"] = ["1", "", "2"]
    result.to_csv(tmp_path / "accuracy.csv", index=False)
    again = read_table(tmp_path / "accuracy.csv")
    assert again["model"].tolist() == ["nan", "a", "c"]
    assert again["changes"].tolist() == ["1", "", "2"]
    assert again["verdict"].tolist() == ["better", "", "not distinguishable"]
    assert again["accuracy"].tolist() == pytest.approx(result["accuracy"].tolist())


def test_texts_for_a_paper():
    texts = table.paper_table(a_study(ACCURACIES)[2]).set_index("model")
    assert texts.loc["b", "test accuracy, %"] == "82.00 ± 1.58"
    assert texts.loc["b", "minus baseline, points"] == "+10.00"
    assert texts.loc["a", "minus baseline, points"] == "baseline"
    assert texts.loc["c", "minus baseline, points"] == "−0.20"
    assert texts.loc["c", "verdict, these images"] == "not distinguishable"
    assert texts.loc["a", ["verdict, these images", "verdict, new images"]].tolist() == ["", ""]
    assert texts.loc["a", "parameters"] == "10,000"
    assert len(texts.columns) == 7
    averaged = table.paper_table(a_study(ACCURACIES, averaged=["b"])[2]).set_index("model")
    assert averaged["without test-time augmentation, %"].to_dict() == {"b": "81.00", "a": "72.00", "c": "71.80"}
    result = a_study(ACCURACIES, seeds=[1])[2]
    alone = table.paper_table(result).set_index("model")
    assert alone.loc["b", "test accuracy, %"] == "80.00"
    low, high = (100 * result.set_index("model").loc["b", f"population_{end}"] for end in ("low", "high"))
    assert alone.loc["b", "95% interval, new images, %"] == f"{low:.2f} to {high:.2f}"
    assert [name for name in alone if "too few seeds" in name] == [
        "minus baseline, points (too few seeds for verdicts)"
    ]
    assert not alone.isin(["too few seeds"]).any(axis=None)


def test_cells_of_the_page():
    rows = {row["model"]: row for row in table.records(a_study(ACCURACIES)[2])}
    cells = {
        model: {column.name: (column.text(row), column.detail(row)) for column in table.COLUMNS if column.heading}
        for model, row in rows.items()
    }
    assert cells["b"]["accuracy"] == ("82.00", "± 1.58")
    assert cells["b"]["train_accuracy"] == ("85.00", "gap +3.00")
    assert cells["b"]["baseline_difference"] == ("+10.00", "+7.69 to +12.31")
    assert cells["a"]["baseline_difference"] == ("baseline", "")
    assert cells["b"]["epochs"] == ("3", "still improving")
    assert cells["c"]["epochs"] == ("2", "")
    assert [cells[model]["val_accuracy"][0] for model in "bac"] == ["80.00", "70.00", "–"]
    assert cells["a"]["published_accuracy"] == ("75.00", "loss 0.5000")
    assert cells["b"]["published_accuracy"] == ("–", "")
    assert [cells[model]["published_difference"] for model in "ba"] == [("–", ""), ("−3.00", "one run: 67.19 to 76.81")]
    assert cells["b"]["population_low"][0] == "79.09 to 84.58"
    assert (cells["b"]["training_seconds"][0], table.duration(3725.6)) == ("0:01:00", "1:02:06")
    baseline = next(column for column in table.COLUMNS if column.name == "baseline_difference")
    assert baseline.sort_missing == "0"  # its difference from itself


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        (
            {},
            "(mean $\\pm$ standard deviation over 5 seeds). Chance level: 10.00\\%. Intervals: 95\\%, over seeds and"
            " new images. Baseline: a. Verdicts: compared with it on these images, and on new ones where that differs;"
            " Holm's correction, 5\\%.",
        ),
        (
            {"seeds": [1]},
            "(one seed). Chance level: 10.00\\%. Intervals: 95\\%, over new images, for this one network of each model."
            " Baseline: a. Too few seeds for verdicts.",
        ),
        (
            {"accuracies": {"a": ACCURACIES["a"]}, "seeds": [1, 2]},
            "(mean $\\pm$ standard deviation over 2 seeds). Chance level: 10.00\\%. Intervals: 95\\%, over seeds and"
            " new images.",
        ),
    ],
    ids=["verdicts", "one seed", "one model"],
)
def test_a_caption_says_what_the_figures_are(options, sentences):
    result = a_study(**{"accuracies": ACCURACIES} | options)[2]
    assert table.caption(result, "a") == f"Accuracy on the test images {sentences}"


@pytest.mark.parametrize(("columns", "size", "gap"), [(7, "footnotesize", 3), (8, "scriptsize", 2)])
def test_a_table_of_latex_is_smaller_where_it_has_more_columns_than_a_page_is_wide(columns, size, gap):
    found = table._latex_table("C", "l", ["r"] * columns, ["a", "b"], [["1", "2"], ["3", "4"]])
    assert found.splitlines() == [
        "\\begin{table}[tbp]",
        f"\\centering\\{size}\\setlength{{\\tabcolsep}}{{{gap}pt}}",
        "\\caption{C}",
        "\\label{tab:l}\\smallskip",
        f"\\begin{{tabular}}{{@{{}}{'r' * columns}@{{}}}}",
        "\\toprule",
        "a & b \\\\",
        "\\midrule",
        "1 & 2 \\\\",
        "3 & 4 \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    assert found.endswith("\n")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("accuracy.csv", {column.name: column.description for column in table.COLUMNS}),
        ("comparisons.csv", statistics.COLUMNS),
        ("confusion.csv", answers.CONFUSION),
        ("classes.csv", answers.CLASSES),
        ("predictions.csv.gz", answers.PREDICTIONS),
    ],
)
def test_the_readme_of_results_names_the_columns(name, columns):
    rows = [f"| `{column}` | {description} |" for column, description in columns.items()]
    expected = "\n".join(["| column | what |", "|---|---|", *rows]) + "\n"
    _, _, section = (ROOT / "docs/files.md").read_text().partition(f"Columns of `{name}`")
    assert section[section.index("| column") :].partition("\n\n")[0].strip() == expected.strip()


def test_markdown_stands_on_the_decimal_point_in_equal_columns():
    texts = table.paper_table(a_study({"a": [1.0] * 5, "b": [0.05, 0.06, 0.05, 0.06, 0.05], "c": ACCURACIES["c"]})[2])
    texts.loc[0, "changes"] = "a | b"
    head, rule, *rows = table.markdown(texts).splitlines()
    assert {len(row) for row in (head, rule, *rows)} == {len(head)}
    assert [cell.strip("- ") for cell in rule.strip("|").split("|")[:3]] == [":", ":", ":"]
    numbers = [row.replace("\\|", "!").split("|")[3] for row in rows]
    assert len({number.index(".") for number in numbers}) == 1
    assert "−" in "".join(rows) and not any("-" in row for row in rows)
    assert "100.00 ± 0.00" in numbers[0]


def test_ends_of_intervals_are_as_wide_as_each_other_and_wide_ones_are_words():
    assert table._aligned(["9.50 to 10.00", "97.00 to 100.00", "too wide to tell", ""]) == [
        "9.50 to \u200710.00",
        "97.00 to 100.00",
        "too wide to tell",
        "",
    ]
    assert table.interval(0.2, 0.69, table.percent) == "20.00 to 69.00"
    assert table.interval(0.2, 0.71, table.percent) == "too wide to tell"
    texts = table.paper_table(a_study({"a": [0.1, 0.9], "b": [0.5, 0.51]}, seeds=[1, 2])[2])
    assert texts["95% interval, new images, %"].tolist().count("too wide to tell") == 1


def test_latex_has_numbers_on_the_right_signs_of_mathematics_and_settings_in_a_table_of_their_own():
    result = a_study(ACCURACIES)[2]
    latex = table.latex(table.paper_table(result), table.caption(result, "a_1"))
    assert "\\begin{tabular}{@{}lrrrp{2.2cm}r@{}}" in latex and "$-$0.20" in latex and "82.00 $\\pm$ 1.58" in latex
    assert (
        "\\begin{tabular}{@{}lp{0.7\\linewidth}@{}}" in latex and "c & batch\\_normalization before relu \\\\" in latex
    )
    assert latex.count("\\begin") == latex.count("\\end") and latex.count("\\toprule") == 2
    assert latex.count("\\begin{table}") == latex.count("\\caption{") == 2 and "\\label{tab:accuracy}" in latex
    assert "test images (mean $\\pm$ standard deviation over 5 seeds)" in latex and "Baseline: a\\_1." in latex
    assert "%" not in latex.replace("\\%", "") and "−" not in latex and "±" not in latex
    assert {line.count(" & ") for line in latex.splitlines() if line.endswith(" \\\\")} == {5, 1}
    assert table._escaped("a_b & 5% \\x {y}") == "a\\_b \\& 5\\% \\textbackslash{}x \\{y\\}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
@pytest.mark.parametrize(
    "options", [{}, {"seeds": [1]}, {"averaged": ["b"], "chance": 0.8}, {"seeds": [1, 2], "report_on": "validation"}]
)
def test_latex_compiles_in_a_paper_and_fits_its_page(tmp_path, options):
    result = a_study(ACCURACIES, **options)[2]
    (tmp_path / "accuracy.tex").write_text(table.latex(table.paper_table(result), table.caption(result, "a")))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\ref{tab:accuracy}\\input{accuracy}\\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    for _ in range(2):  # the reference is known from the first time
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "Overfull" not in run.stdout and "Warning" not in run.stdout, run.stdout


def test_the_time_of_a_training_is_that_of_its_fastest_epoch():
    histories = [
        pd.DataFrame({"accuracy": [0.2, 0.3, last], "val_accuracy": [0.1, 0.2, 0.3], "seconds": seconds})
        for last, seconds in ((0.4, [9, 2, 5]), (0.6, [4, 4, 3]))
    ]
    assert table._of_histories(histories) == {
        "train_accuracy": pytest.approx(0.5),
        "val_accuracy": pytest.approx(0.3),
        "still_improving": None,
        "training_seconds": 6,
    }


def test_a_second_name_of_a_model_is_compared_once():
    """No twin adds a test to the baseline's family or to the pairs, and its row of the table has the verdict."""
    names = list(ACCURACIES)
    more = ACCURACIES | {"again": ACCURACIES[names[1]], "base": ACCURACIES[names[0]]}
    _, alone, table_alone = a_study(ACCURACIES)
    same_as = {"again": names[1], "base": names[0]}
    _, compared, accuracies = a_study(more, same_as=same_as)
    pd.testing.assert_frame_equal(compared, alone)
    rows = accuracies.set_index("model")[["baseline_difference", "baseline_low", "verdict"]]
    assert rows.loc["again"].tolist() == rows.loc[names[1]].tolist()
    assert rows.loc["base"].isna().all()
    assert rows.loc[names].equals(table_alone.set_index("model").loc[names, list(rows)])
