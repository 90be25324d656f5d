"""What the test predictions of an ablation study show, and what they don't.

Two claims are kept apart. On *these images* the test set is fixed and only seeds vary: would
other seeds give the same order? On *new images* both vary, seeds and images.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import comb
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint

ALPHA = 0.05  # of a family of comparisons; intervals are 1 - ALPHA each
POWER = 0.8
PERMUTATIONS = 99_999  # all of them where there are no more, so many random ones elsewhere

COLUMNS = [
    "family",
    "model",
    "reference",
    "seeds",
    "difference",
    "low",
    "high",
    "probability_better",
    "p",
    "smallest_p",
    "p_holm",
    "verdict",
    "new_low",
    "new_high",
    "new_p",
    "new_p_holm",
    "new_verdict",
    "mcnemar_p",
    "mcnemar_p_holm",
    "detectable",
]
BETTER, WORSE, SAME, TOO_FEW = "better", "worse", "not distinguishable", "too few seeds"


@dataclass(frozen=True)
class Runs:
    """What all runs of one model got right.

    by_seed: (seeds,) their accuracies; by_image: (images,) share of them that classified each
    image rightly; residual: mean square of what seeds and images together leave unexplained.
    """

    by_seed: np.ndarray
    by_image: np.ndarray
    residual: float

    @classmethod
    def of(cls, correct):
        """Return the Runs of (seeds, images) bool: whether each run classified each test image rightly."""
        seeds, images = correct.shape
        by_seed, by_image = correct.mean(axis=1), correct.mean(axis=0)
        rest = correct - by_image - by_seed[:, None] + by_seed.mean()
        residual = (rest**2).sum() / ((seeds - 1) * (images - 1)) if seeds > 1 else 0.0
        return cls(by_seed, by_image, residual)

    @property
    def accuracy(self):
        """Mean accuracy."""
        return self.by_seed.mean()

    @property
    def seed_variance(self):
        """(variance of the mean accuracy over seeds, on these images; its degrees of freedom)."""
        return self.by_seed.var(ddof=1) / len(self.by_seed), len(self.by_seed) - 1


def accuracy_of(runs):
    """Return the mean accuracy of Runs, its deviation over seeds and its intervals, as a dict of floats.

    low, high: 95% interval of the mean over seeds, on these images (Student's t). new_low,
    new_high: of the mean over seeds and images (see `_image_variance`). With one seed the deviation
    and the first are NaN, and the second is Wilson's interval of that one network's accuracy.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    if len(runs.by_seed) == 1:
        low, high, deviation = np.nan, np.nan, np.nan
        new_low, new_high = proportion_confint(runs.by_image.sum(), len(runs.by_image), ALPHA, method="wilson")
    else:
        deviation = runs.by_seed.std(ddof=1)
        low, high, new_low, new_high, _ = _of_both_claims(
            runs.accuracy, [runs.seed_variance], _image_variance(runs.by_image, [runs]), smallest=0
        )
    return {
        "test_accuracy": runs.accuracy,
        "test_accuracy_sd": deviation,
        "low": low,
        "high": high,
        "new_low": new_low,
        "new_high": new_high,
    }


def comparisons(runs, baseline):
    """Return a DataFrame of every model against the baseline, then of every pair, a row each.

    runs: Runs by model, all with the same seeds and images.

    family                "baseline" or "pairs"; Holm's correction is within each
    model, reference      what is compared, with what
    difference            of their mean accuracies; low, high: 95% interval on these images
                          (Welch's t); new_low, new_high: on new images
    probability_better    that a run of `model` beats one of `reference`, ties by half
    p, smallest_p         of the permutation test over seeds; the smallest it can give
    p_holm, verdict       on these images
    new_p, new_p_holm     on new images: the larger of p and that of the t test behind new_low
    new_verdict           and new_high, so that it claims nothing that these images don't show
    mcnemar_p, and _holm  with one seed, instead of all p: these two networks on new images
    detectable            difference that a t test would see with a probability of 0.8

    Sources: B. L. Welch, "The Generalization of 'Student's' Problem", 1947. A. Vargha, H. D.
    Delaney, "A Critique and Improvement of the CL Common Language Effect Size", 2000. R. A. Fisher,
    "The Design of Experiments", 1935, on permutations. S. Holm, "A Simple Sequentially Rejective
    Multiple Test Procedure", 1979. Q. McNemar, "Note on the Sampling Error of the Difference
    Between Correlated Proportions", 1947. X. Bouthillier et al., "Accounting for Variance in Machine
    Learning Benchmarks", 2021, on seeds as a sample.
    """
    others = [model for model in runs if model != baseline]
    families = {
        "baseline": [(model, baseline) for model in others],
        "pairs": [(second, first) for first, second in combinations([baseline, *others], 2)],
    }
    tables = [_family(name, pairs, runs) for name, pairs in families.items() if pairs]
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()).reindex(columns=COLUMNS)


def seeds_needed(tests):
    """Return the fewest seeds with which the permutation test can show anything in a family of so many tests."""
    seeds = 2
    while _smallest_p(seeds) * tests > ALPHA:
        seeds += 1
    return seeds


def _family(name, pairs, runs):
    """Return the rows of one family of comparisons."""
    table = pd.DataFrame([_compare(runs[model], runs[reference]) for model, reference in pairs])
    table[["model", "reference"]] = pairs
    table["family"] = name
    a, b = (np.array([runs[model].by_seed for model in side]) for side in zip(*pairs, strict=True))
    table["seeds"] = seeds = a.shape[1]
    if seeds == 1:
        corrected = multipletests(table["mcnemar_p"], ALPHA, method="holm")[1]
        return table.assign(mcnemar_p_holm=corrected, verdict=TOO_FEW, new_verdict=TOO_FEW)
    table["probability_better"] = stats.mannwhitneyu(a, b, axis=1).statistic / seeds**2
    table["p"] = stats.permutation_test(
        (a, b),
        _difference_of_means,
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=1000,
        axis=1,
        rng=np.random.default_rng(0),
    ).pvalue
    table["smallest_p"] = _smallest_p(seeds)
    table["new_p"] = table[["p", "new_p"]].max(axis=1)
    table["detectable"] = _effect(seeds, len(pairs)) * np.sqrt((a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / 2)
    for claim in ("", "new_"):
        seen, table[f"{claim}p_holm"], *_ = multipletests(table[f"{claim}p"], ALPHA, method="holm")
        verdicts = np.where(seen, np.where(table["difference"] > 0, BETTER, WORSE), SAME)
        table[f"{claim}verdict"] = TOO_FEW if seeds < seeds_needed(len(pairs)) else verdicts
    return table


def _compare(model, reference):
    """Return what is known of one pair of Runs without the other pairs, as a dict."""
    difference = model.accuracy - reference.accuracy
    of_images = _image_variance(model.by_image - reference.by_image, [model, reference])
    if len(model.by_seed) == 1:
        both = pd.crosstab(model.by_image == 1, reference.by_image == 1)
        both = both.reindex(index=[True, False], columns=[True, False], fill_value=0)
        new_low, new_high, _ = _inference(difference, of_images)
        return {
            "difference": difference,
            "new_low": new_low,
            "new_high": new_high,
            "mcnemar_p": mcnemar(both, exact=True).pvalue,
        }
    low, high, new_low, new_high, new_p = _of_both_claims(
        difference, [model.seed_variance, reference.seed_variance], of_images, smallest=-1
    )
    return {
        "difference": difference,
        "low": low,
        "high": high,
        "new_low": new_low,
        "new_high": new_high,
        "new_p": new_p,
    }


def _difference_of_means(a, b, axis):
    return a.mean(axis=axis) - b.mean(axis=axis)


def _smallest_p(seeds):
    """Return the smallest two-sided p of the permutation test of two samples of so many."""
    return max(2 / comb(2 * seeds, seeds), 2 / (PERMUTATIONS + 1))


@cache
def _effect(seeds, tests):
    """Return the difference, in standard deviations over seeds, that the first of so many tests sees with POWER."""
    return TTestIndPower().solve_power(nobs1=seeds, alpha=ALPHA / tests, power=POWER)


def _image_variance(by_image, models):
    """Return what new images add to the variance of a mean over seeds and images: (variance, df) pairs.

    by_image: (images,) what the mean is of; models: the Runs that it comes from.

    Seeds and images are crossed, both random. The variance over images of the mean over seeds and
    the variance over seeds both hold the share of the residual, so it is taken off once:

        var = var_seeds / seeds + var_images / images - residual / (seeds images).

    Source: S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components", 1992, chapter 4;
    as readers and cases in B. D. Gallas, "One-Shot Estimate of MRMC Variance: AUC", 2006.
    """
    images = len(by_image)
    of_images = by_image.var(ddof=1) / images
    in_both = sum(runs.residual / (len(runs.by_seed) * images) for runs in models)
    df = sum((len(runs.by_seed) - 1) * (images - 1) for runs in models)
    return [(of_images, images - 1), (-min(in_both, of_images), df)]


def _of_both_claims(estimate, of_seeds, of_images, smallest):
    """Return low and high on these images, low and high on new ones, and the p of the latter.

    Intervals end at the smallest and the largest value there is (1). That on new images is never the
    narrower one, as it could be with two or three seeds, whose degrees of freedom images add to.
    """
    low, high, _ = _inference(estimate, of_seeds)
    new_low, new_high, new_p = _inference(estimate, of_seeds + of_images)
    low, high = max(low, smallest), min(high, 1)
    return low, high, max(min(low, new_low), smallest), min(max(high, new_high), 1), new_p


def _inference(estimate, parts):
    """Return (low, high, p): a 95% interval of a normal estimate, and the p of its being zero.

    parts: (variance, degrees of freedom) pairs whose sum is its variance; df by Satterthwaite.

    Source: F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946.
    """
    variance = sum(part for part, _ in parts)
    if variance <= 0:  # all runs alike
        return estimate, estimate, float(estimate == 0)
    df = variance**2 / sum(part**2 / df for part, df in parts if part)
    error = variance**0.5
    low, high = stats.t.interval(1 - ALPHA, df, estimate, error)
    return low, high, 2 * stats.t.sf(abs(estimate) / error, df)
