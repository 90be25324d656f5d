"""What the test predictions of an ablation study show, and what they don't.

Two claims are kept apart. On *these images* the test set is fixed and only seeds vary: would other
seeds give the difference too? On *new images* both vary, seeds and test images. The training set is
fixed in both.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import comb
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

ALPHA = 0.05  # of a family of comparisons; intervals are 1 - ALPHA each
POWER = 0.8
PERMUTATIONS = 99_999  # all of them where there are no more, so many random ones elsewhere
PERMUTATIONS_PER_TEST = 100  # at the least, so that Holm's correction leaves room under ALPHA

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
    new_high: of the mean over seeds and images, Wilson's for as many images as would give the variance
    of `_image_variance` and the seeds together. With one seed the deviation and the first are NaN, and the
    second is Wilson's interval of that one network's accuracy.

    Sources: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    E. L. Korn, B. I. Graubard, "Confidence Intervals for Proportions With Small Expected Number of
    Positive Counts Estimated From Survey Data", 1998, on the effective number.
    """
    seeds, images = len(runs.by_seed), len(runs.by_image)
    share = runs.accuracy
    low, high, deviation, effective = np.nan, np.nan, np.nan, images
    if seeds > 1:
        deviation = runs.by_seed.std(ddof=1)
        low, high = _interval(share, *_error([runs.seed_variance]), smallest=0)
        error, df = _error([runs.seed_variance, *_image_variance(runs.by_image, [runs])])
        if error > 0:
            effective = share * (1 - share) / error**2 * (stats.norm.ppf(ALPHA / 2) / stats.t.ppf(ALPHA / 2, df)) ** 2
    new_low, new_high = proportion_confint(share * effective, effective, ALPHA, method="wilson")
    return {
        "test_accuracy": share,
        "test_accuracy_sd": deviation,
        "low": low,
        "high": high,
        "new_low": np.fmin(low, new_low),
        "new_high": np.fmax(high, new_high),
    }


def comparisons(runs, baseline):
    """Return a DataFrame of every model against the baseline, then of every pair, a row each.

    runs: Runs by model, all with the same seeds and images.

    family                "baseline" or "pairs"; Holm's correction is within each
    model, reference      what is compared, with what
    difference            of their mean accuracies; low, high: 95% interval on these images
                          (Welch's t); new_low, new_high: on new images
    probability_better    that a run of `model` beats one of `reference`, ties by half
    p, p_holm, verdict    on these images: the larger p of Welch's t test and of the permutation test of
                          the difference over seeds, which alone would take unequal spreads for one
    smallest_p            that the permutation test can give
    new_p, new_p_holm     on new images: the larger of p and that of the t test behind new_low
    new_verdict           and new_high, so that it claims nothing that these images don't show
    mcnemar_p, and _holm  with one seed, instead of all p: these two networks on new images
    detectable            difference below which a true one is missed more often than once in five

    Intervals are of each comparison alone, without correction.

    Sources: B. L. Welch, "The Generalization of 'Student's' Problem", 1947. A. Vargha, H. D.
    Delaney, "A Critique and Improvement of the CL Common Language Effect Size", 2000. E. J. G. Pitman,
    "Significance Tests Which May be Applied to Samples From any Populations", 1937. S. Holm, "A Simple
    Sequentially Rejective Multiple Test Procedure", 1979. Q. McNemar, "Note on the Sampling Error of
    the Difference Between Correlated Proportions", 1947. J. Cohen, "Statistical Power Analysis for the
    Behavioral Sciences", 1988, on power. X. Bouthillier et al., "Accounting for Variance in Machine
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
    while 2 / comb(2 * seeds, seeds) * tests > ALPHA:
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
    images = len(runs[pairs[0][0]].by_image)
    p, table["smallest_p"] = _permutation_test(np.rint(a * images), np.rint(b * images))
    for claim in ("", "new_"):
        table[f"{claim}p"] = np.maximum(p, table[f"{claim}p"])
        seen, table[f"{claim}p_holm"], *_ = multipletests(table[f"{claim}p"], ALPHA, method="holm")
        table[f"{claim}verdict"] = np.where(seen, np.where(table["difference"] > 0, BETTER, WORSE), SAME)
    if seeds < seeds_needed(len(pairs)):
        return table.assign(verdict=TOO_FEW, new_verdict=TOO_FEW)
    deviation = np.sqrt((a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / 2)
    return table.assign(detectable=_effect(seeds, len(pairs)) * deviation)


def _permutation_test(a, b):
    """Return two-sided p of the difference of sums over seeds, one a pair, and the smallest there can be.

    a, b: (pairs, seeds) numbers of right answers: whole numbers, whose ties rounding can't break.
    """
    pairs, seeds = a.shape
    resamples = max(PERMUTATIONS, PERMUTATIONS_PER_TEST * pairs)
    p = stats.permutation_test(
        (a, b),
        lambda a, b, axis: a.sum(axis=axis) - b.sum(axis=axis),
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 10_000_000 // a.size),  # in bounded memory
        axis=1,
        rng=np.random.default_rng(0),
    ).pvalue
    return p, max(2 / comb(2 * seeds, seeds), 2 / (resamples + 1))


def _compare(model, reference):
    """Return what is known of one pair of Runs without the other pairs, as a dict.

    With one seed the interval is Wald's of a difference of paired proportions.
    Source: A. Agresti, "Categorical Data Analysis", 2002, section 10.1.
    """
    difference = model.accuracy - reference.accuracy
    images = len(model.by_image)
    of_images = _image_variance(model.by_image - reference.by_image, [model, reference])
    if len(model.by_seed) == 1:
        both = pd.crosstab(model.by_image == 1, reference.by_image == 1)
        both = both.reindex(index=[True, False], columns=[True, False], fill_value=0)
        new_low, new_high = _interval(difference, *_error(of_images), smallest=-1, images=images)
        p = mcnemar(both, exact=True).pvalue
        return {"difference": difference, "new_low": new_low, "new_high": new_high, "mcnemar_p": p}
    of_seeds = [model.seed_variance, reference.seed_variance]
    here, anywhere = _error(of_seeds), _error(of_seeds + of_images)
    low, high = _interval(difference, *here, smallest=-1)
    new_low, new_high = _interval(difference, *anywhere, smallest=-1, images=images)
    return {
        "difference": difference,
        "low": low,
        "high": high,
        "p": _p(difference, *here),
        # Never the narrower one, as it could be with two or three seeds, whose df images add to.
        "new_low": min(low, new_low),
        "new_high": max(high, new_high),
        "new_p": _p(difference, *anywhere),
    }


@cache
def _effect(seeds, tests):
    """Return the difference, in standard deviations over seeds, that a t test at ALPHA / tests sees with POWER."""
    df, scale = 2 * seeds - 2, (2 / seeds) ** 0.5
    critical = stats.t.isf(ALPHA / tests / 2, df)
    return scale * brentq(lambda centre: stats.nct.sf(critical, df, centre) - POWER, 0, 2 * critical + 10)


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


def _error(parts):
    """Return the standard error of an estimate, and its degrees of freedom.

    parts: (variance, degrees of freedom) pairs whose sum is its variance; df by Satterthwaite's formula,
    in which a part may be subtracted while it is much smaller than the others.

    Sources: F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946.
    D. W. Gaylor, F. N. Hopper, "Estimating the Degrees of Freedom for Linear Combinations of Mean
    Squares by Satterthwaite's Formula", 1969, on subtraction.
    """
    variance = sum(part for part, _ in parts)
    if variance <= 0:  # all runs alike
        return 0.0, np.inf
    return variance**0.5, variance**2 / sum(part**2 / df for part, df in parts if part)


def _interval(estimate, error, df, smallest, images=None):
    """Return the 95% interval of Student's t, cut to what there is from `smallest` to 1.

    images: how many there are, where the interval is of new ones. If all of them are alike, new ones
    may still be others: it ends at the largest share of those of which so many images show none.

    Source: C. J. Clopper, E. S. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the
    Case of the Binomial", 1934, for no event.
    """
    half = stats.t.ppf(1 - ALPHA / 2, df) * error
    if error == 0 and images:
        half = 1 - (ALPHA / 2) ** (1 / images)
    return max(estimate - half, smallest), min(estimate + half, 1)


def _p(estimate, error, df):
    """Return the two-sided p of Student's t test that the true value is zero."""
    return 2 * stats.t.sf(abs(estimate) / error, df) if error > 0 else float(estimate == 0)
