"""The study's figures, in one style: colours told apart by colour-blind readers, readable in print and on a dark page.

Models come as dicts in the order of the config, which decides their colours.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from scipy.stats import binned_statistic

from ablation.files import replacing

PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]  # Okabe and Ito, 2008
LIGHT = "#9ecae1"
DASHES = ["-", "--", "-.", ":"]
MARKERS = ["o", "s", "^", "D"]
TRAINING, VALIDATION = PALETTE[:2]
MOST_CLASSES = 40  # in a matrix that can still be read
MISTAKES = 12
BINS = 10  # of confidence
STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
IMAGE_STYLE = {"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False, "font.size": 9}
plt.rcParams.update(STYLE)


def save(figure, path):
    """Write a figure as the picture that the path's suffix says, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary)


def _style(number, shapes):
    """Return the colour of a model, and where colours come again another one of `shapes`, by its number from 0."""
    return PALETTE[number % len(PALETTE)], shapes[number // len(PALETTE) % len(shapes)]


def loss_plot(title, histories):
    """Return a figure of loss and val_loss by epoch.

    histories: DataFrames with the columns of history.csv, one per seed. A line is the mean over
    seeds, the band about it goes from their smallest to their largest value.
    """
    figure, axes = _training_and_validation(title, histories, "loss")
    axes.set(ylabel="cross-entropy", ylim=(0, None))
    return figure


def accuracy_plot(title, histories):
    """Return a figure of accuracy and val_accuracy by epoch, as `loss_plot`."""
    figure, axes = _training_and_validation(title, histories, "accuracy")
    axes.set(ylabel="accuracy", ylim=(None, 1))
    return figure


def _training_and_validation(title, histories, column):
    figure, axes = plt.subplots()
    _band(axes, histories, column, TRAINING, "-", column)
    _band(axes, histories, f"val_{column}", VALIDATION, "--", f"val_{column}")
    axes.set(title=title, xlabel="epochs")
    axes.legend()
    return figure, axes


def _band(axes, histories, column, colour, line, label):
    history = pd.concat(histories)
    if history[column].isna().all():  # no validation images
        return
    by_epoch = history.groupby("epoch")[column]
    mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
    axes.plot(mean.index, mean, line, color=colour, label=label, marker="o" if len(mean) == 1 else None)
    axes.fill_between(mean.index, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def curves_plot(histories):
    """Return a figure of val_loss and val_accuracy by epoch, all models with validation images on one pair of axes.

    histories: by model, a list as of `loss_plot`.
    """
    figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(11, 4.4))
    for number, (model, of_model) in enumerate(histories.items()):
        _band(losses, of_model, "val_loss", *_style(number, DASHES), model)
        _band(accuracies, of_model, "val_accuracy", *_style(number, DASHES), model)
    losses.set(xlabel="epochs", ylabel="validation loss")
    accuracies.set(xlabel="epochs", ylabel="validation accuracy")
    if losses.get_lines():
        figure.legend(*losses.get_legend_handles_labels(), loc="outside right upper")
    else:
        figure.suptitle("no model has validation images")
    return figure


def accuracies_plot(table, by_seed):
    """Return a figure of test accuracy by model: every seed a point, both intervals as bars.

    table: DataFrame of table.COLUMNS, best first; by_seed: by model, the accuracies of its seeds.
    """
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.42 * len(table)))
    places = np.arange(len(table))[::-1]
    for place, row in zip(places, table.itertuples(), strict=True):
        seeds = 100 * np.asarray(by_seed[row.model])
        for low, high, colour, width in ((row.new_low, row.new_high, LIGHT, 7), (row.low, row.high, PALETTE[0], 2.5)):
            axes.plot([100 * low, 100 * high], [place] * 2, color=colour, linewidth=width, solid_capstyle="butt")
        axes.plot(seeds, [place] * len(seeds), "o", color=PALETTE[1], markersize=4.5)
        axes.plot(100 * row.test_accuracy, place, "|", color="black", markersize=13)
    handles = [
        plt.Line2D([], [], color=PALETTE[1], marker="o", linestyle="", markersize=4.5, label="a seed"),
        plt.Line2D([], [], color="black", marker="|", linestyle="", markersize=13, label="mean"),
        plt.Line2D([], [], color=PALETTE[0], linewidth=2.5, label="95%, these images"),
        plt.Line2D([], [], color=LIGHT, linewidth=7, label="95%, new images"),
    ]
    axes.set(xlabel="test accuracy, %")
    axes.set_yticks(places, table["model"])
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def differences_plot(models, comparisons):
    """Return a figure of all pairwise differences of accuracy in points: row minus column, with its verdict.

    models: their names; comparisons: DataFrame of statistics.comparisons.
    """
    pairs = comparisons[comparisons["family"] == "pairs"]
    values = pd.DataFrame(0.0, index=models, columns=models)
    seen = pd.DataFrame(False, index=models, columns=models)
    for row in pairs.itertuples():
        values.loc[row.model, row.reference] = 100 * row.difference
        values.loc[row.reference, row.model] = -100 * row.difference
        found = row.verdict in ("better", "worse")
        seen.loc[row.model, row.reference] = seen.loc[row.reference, row.model] = found
    side = max(4.0, 1.6 + 0.62 * len(models))
    figure, axes = plt.subplots(figsize=(side + 1, side))
    limit = max(values.abs().to_numpy().max(initial=0), 0.1)
    shown = axes.imshow(values, cmap="PuOr", vmin=-limit, vmax=limit)
    for row, column in np.ndindex(values.shape):
        if row != column:
            value = values.iat[row, column] + 0.0  # no -0.0
            axes.text(
                column,
                row,
                _minus(f"{value:+.1f}") + ("*" if seen.iat[row, column] else ""),
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold" if seen.iat[row, column] else "normal",
                color="white" if abs(value) > 0.6 * limit else "black",
            )
    axes.set_xticks(range(len(models)), models, rotation=45, ha="right")
    axes.set_yticks(range(len(models)), models)
    axes.grid(False)
    axes.set_title("row minus column, points (*: distinguishable)", fontsize=11)
    figure.colorbar(shown, shrink=0.8)
    return figure


def classes_plot(correct, labels, class_names):
    """Return a figure of accuracy by class and model, in percent.

    correct: by model, (seeds, images) bool; labels: (images,) integers; class_names: (classes,) str.
    """
    classes = np.unique(labels)[:MOST_CLASSES]
    values = np.array([[100 * of[:, labels == label].mean() for label in classes] for of in correct.values()])
    figure, axes = plt.subplots(figsize=(2.5 + 0.62 * len(classes), 1.7 + 0.36 * len(correct)))
    shown = axes.imshow(values, cmap="cividis", aspect="auto", vmin=values.min() - 1e-9, vmax=100)
    middle = (values.min() + 100) / 2
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        colour = "black" if value > middle else "white"
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(classes)), class_names[classes], rotation=45, ha="right")
    axes.set_yticks(range(len(correct)), correct)
    axes.grid(False)
    axes.set(xlabel=_of_all(class_names))
    figure.colorbar(shown, label="% correct")
    return figure


def calibration_plot(predictions, labels):
    """Return a reliability diagram: accuracy by confidence, all models on one pair of axes.

    predictions: predictions.Predictions by model; labels: (images,). Beside each name stands its expected
    calibration error: the mean distance between confidence and accuracy over BINS bins of equal
    width, weighted by their images; all seeds together.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    figure, axes = plt.subplots(figsize=(7.4, 4.6))
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, label="calibrated")
    for number, (model, of_model) in enumerate(predictions.items()):
        confidences = of_model.probabilities.max(axis=2).ravel().astype(np.float64)
        confidence, accuracy, share = reliability(confidences, (of_model.predicted == labels).ravel())
        error = (share * np.abs(confidence - accuracy)).sum()
        label = f"{model}  ({100 * error:.1f} points)"
        colour, line = _style(number, DASHES)
        axes.plot(confidence, accuracy, line, marker="o", markersize=4, color=colour, label=label)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    figure.legend(loc="outside right upper")
    return figure


def reliability(confidences, right):
    """Return mean confidence, accuracy and share of the images of each of BINS bins that has any.

    confidences: (n,) floats from 0 to 1; right: (n,) bool. Source: as of `calibration_plot`.
    """
    means, _, _ = binned_statistic(confidences, [confidences, right], "mean", bins=BINS, range=(0, 1))
    counts, _ = np.histogram(confidences, bins=BINS, range=(0, 1))
    used = counts > 0
    return means[0][used], means[1][used], counts[used] / len(right)


def cost_plot(models, table):
    """Return a figure of test accuracy against trainable parameters and against training time.

    models: their names; table: DataFrame of table.COLUMNS. Models with equally many parameters stand side by side.
    """
    figure, (parameters, minutes) = plt.subplots(1, 2, figsize=(7.4, 4.6), sharey=True)
    step = 0.015 * table["parameters"].max() / 1e6
    beside = {}
    for number, model in enumerate(models):
        (row,) = table[table["model"] == model].itertuples()
        percent = 100 * row.test_accuracy
        error = [[percent - 100 * row.new_low], [100 * row.new_high - percent]]
        colour, marker = _style(number, MARKERS)
        style = {"fmt": marker, "color": colour, "capsize": 3}
        place = beside[row.parameters] = beside.get(row.parameters, -1) + 1
        parameters.errorbar(row.parameters / 1e6 + step * place, percent, error, label=model, **style)
        minutes.errorbar(row.training_seconds / 60, percent, error, **style)
    parameters.set(xlabel="million parameters", ylabel="test accuracy, %")
    minutes.set(xlabel="minutes of training")
    for axes in (parameters, minutes):
        axes.set_xlim(0, 1.05 * axes.dataLim.x1)  # Matplotlib's own margin is a share of the points' spread alone
    figure.legend(loc="outside right upper")
    return figure


def confusion_plot(title, predicted, reference, labels, class_names):
    """Return a figure of a model's confusion matrix, and of its difference to the baseline's where that is another.

    predicted, reference: (seeds, images) predicted labels of the model and of the baseline; labels:
    (images,); class_names: (classes,) str. Rows are true classes, in percent of their images.
    """
    names = class_names[:MOST_CLASSES]
    matrix, other = (_confusion(of, labels, len(names)) for of in (predicted, reference))
    change = matrix - other
    limit = max(np.abs(change).max(), 0.1)
    panels = [(matrix, "% of each true class", "{:.0f}", 50, {"cmap": "cividis", "vmin": 0, "vmax": 100})]
    if not np.array_equal(predicted, reference):
        options = {"cmap": "PuOr", "vmin": -limit, "vmax": limit}
        panels.append((change, "minus the baseline, points", "{:+.0f}", 0.6 * limit, options))
    side = 1.6 + 0.36 * len(names)
    figure, axes = plt.subplots(1, 2, figsize=(2 * side + 1.2, side + 0.6), sharey=True)
    for panel in axes[len(panels) :]:
        panel.remove()
    for panel, (values, kind, shown, middle, options) in zip(axes, panels, strict=False):
        panel.imshow(values, **options)
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            if round(abs(value)):
                light = abs(value) < middle if values is matrix else abs(value) > middle
                text, colour = _minus(shown.format(value)), "white" if light else "black"
                panel.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        panel.set_title(f"{title}: {kind}", fontsize=11)
        panel.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=9)
        panel.set_yticks(range(len(names)), names, fontsize=9)
        panel.set(xlabel="predicted" + _of_all(class_names))
        panel.grid(False)
    axes[0].set(ylabel="true class")
    return figure


def _confusion(predicted, labels, classes):
    """Return the first rows and columns of the confusion matrix of all seeds together, in percent of each row."""
    repeated = np.tile(labels, len(predicted))
    counts = pd.crosstab(repeated, predicted.ravel(), normalize="index")
    return 100 * counts.reindex(index=range(classes), columns=range(classes), fill_value=0).to_numpy()


def _of_all(class_names):
    """Return what to add where only the first classes are shown."""
    return f" (first {MOST_CLASSES} of {len(class_names)} classes)" if len(class_names) > MOST_CLASSES else ""


def _minus(number):
    """Return a number in text with a minus sign instead of a hyphen."""
    return number.replace("-", "−")


def mistakes_plot(title, probabilities, labels, images, class_names):
    """Return a figure of the mistakes that a model is surest of, by the mean of its seeds' probabilities.

    probabilities: (seeds, images, classes); labels: (images,); images: (images, height, width, 3) uint8.
    """
    mean = probabilities.mean(axis=0, dtype=np.float64)
    predicted, confidence = mean.argmax(axis=1), mean.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    with plt.rc_context(IMAGE_STYLE):
        figure, panels = plt.subplots(2, MISTAKES // 2, figsize=(9, 3.9))
        for axes in panels.flat:
            axes.axis("off")
        for axes, image in zip(panels.flat, surest, strict=False):
            axes.imshow(images[image])
            seen = class_names[predicted[image]]
            axes.set_title(f"{class_names[labels[image]]}\nseen as {seen}\n{100 * confidence[image]:.0f}%", fontsize=9)
        figure.suptitle(title if len(surest) else f"{title}: no mistakes", fontsize=11)
    return figure


def whitened_images_plot(images, whitened, names):
    """Return a figure of images above what whitening makes of them.

    images: (n, height, width, 3) uint8; whitened: the same as float32, shown from the 1st to the 99th
    percentile of their values; names: n texts.
    """
    low, high = np.percentile(whitened, [1, 99])
    stretched = np.clip((whitened - low) / max(high - low, 1e-12), 0, 1)
    with plt.rc_context(IMAGE_STYLE):
        figure, panels = plt.subplots(2, len(images), figsize=(9, 2.5), squeeze=False)
        for column, name in enumerate(names):
            for row, picture in ((0, images[column]), (1, stretched[column])):
                panels[row, column].imshow(picture)
                panels[row, column].axis("off")
            panels[0, column].set_title(name, fontsize=9)
    return figure


def filters_plot(filters):
    """Return a figure of the filters that make the whitened middle pixel: one a channel.

    filters: (channels, height, width, channels) float32.
    """
    rows, columns = (slice(max(side // 2 - 5, 0), side // 2 + 6) for side in filters.shape[1:3])  # zero beyond
    with plt.rc_context(IMAGE_STYLE):
        figure, panels = plt.subplots(1, len(filters), figsize=(7.2, 2.6))
        for axes, channel, name in zip(panels, filters[:, rows, columns], ("red", "green", "blue"), strict=True):
            axes.imshow(0.5 + 0.5 * channel / np.abs(channel).max())
            axes.set_title(name)
            axes.axis("off")
    return figure


def eigenvalues_plot(eigenvalues, epsilon):
    """Return a figure of the eigenvalues of the covariance, largest first, with epsilon as a line."""
    figure, axes = plt.subplots()
    axes.semilogy(
        np.arange(1, len(eigenvalues) + 1), np.maximum(eigenvalues, 1e-18), color=PALETTE[0], label="eigenvalues"
    )
    axes.axhline(epsilon, color=PALETTE[1], linestyle="--", label=f"epsilon = {epsilon:g}")
    shown = np.append(eigenvalues[eigenvalues > 0], epsilon)
    axes.set(xlabel="component, largest first", ylabel="variance", ylim=(shown.min() / 3, shown.max() * 3))
    axes.legend()
    return figure
