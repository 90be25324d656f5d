"""The study's figures, in one style: colours told apart by colour-blind readers, readable in print."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

TRAINING, VALIDATION = "#0072B2", "#D55E00"  # of Okabe and Ito's palette, 2008
STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 120,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.bbox": "tight",
}


def loss_plot(title, histories):
    """Return a figure of loss and val_loss by epoch, a pair of lines per history.

    histories: DataFrames with the columns of history.csv, one per seed.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots()
        for number, history in enumerate(histories):
            marker = "o" if len(history) == 1 else None
            for column, colour, line in (("loss", TRAINING, "-"), ("val_loss", VALIDATION, "--")):
                label = column if number == 0 else None
                axes.plot(history["epoch"], history[column], line, color=colour, marker=marker, label=label)
        axes.set(title=title, xlabel="epochs", ylabel="cross-entropy")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return figure
