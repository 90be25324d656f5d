"""What the test predictions of an ablation study show, and what they don't.

Two claims are kept apart. On *these images* the test set is fixed and only seeds vary: would other
seeds give the difference too? On *new images*, the population that the test set is a sample of, both vary, seeds and
test images. The training set is fixed in both. Accuracies and their differences are fractions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice
from math import comb

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from ablation.report.wording import AT_CHANCE, BETTER, FEW, SAME, TOO_FEW, TOP, WORSE

ALPHA = 0.05  # of a family of comparisons; intervals are 1 - ALPHA each
POWER = 0.8
PERMUTATIONS = 99_999  # all of them where there are no more, this number of random ones elsewhere
PERMUTATIONS_PER_TEST = 100  # at least, so that Holm's correction leaves room under ALPHA

COLUMNS = {
    "family": "`baseline`, `pairs`, or the name of a family of models; corrections are within each",
    "model": "the model that is compared",
    "reference": "the model that it is compared with",
    "seeds": "runs of each",
    "difference": "difference of mean accuracies, model minus reference, a fraction",
    "low": "lower end of its 95% interval on these images (Welch's t), of this comparison alone, without correction",
    "high": "its upper end",
    "prob_superiority": "probability that a run of `model` beats one of `reference`, ties count half (Vargha, Delaney)",
    "p": "on these images: the larger p of Welch's t test and of the permutation test over seeds",
    "min_attainable_p": "the smallest p that the permutation test can give",
    "p_holm": "`p` after Holm's correction",
    "verdict": "on these images: `better`, `worse`, `not distinguishable`, `both at chance`, `too few seeds`",
    "population_low": "lower end of its 95% interval on new images (with one seed: of these two networks)",
    "population_high": "its upper end; this interval is never narrower than that on these images",
    "population_p": "on new images: the larger p of the t test of that interval and of `p`",
    "population_p_holm": "`population_p` after Holm's correction",
    "population_verdict": "the same, on new images",
    "mcnemar_p": "with one seed, instead of the other p: McNemar's exact test of these two networks on new images",
    "mcnemar_p_holm": "`mcnemar_p` after Holm's correction",
    "min_detectable_effect": "true differences below it are found on these images with less than 80% power",
}  # of comparisons.csv, and what each is; docs/files.md has the same

Part = tuple[float, float]  # of the variance of an estimate, and its degrees of freedom


@dataclass(frozen=True)
class SeedScores:
    """What all runs of one model classified correctly.

    by_seed: (seeds,) float64, their accuracies; by_image: (images,) float64, the fraction of them that classified each
    image correctly; residual: mean square of what seeds and images together leave unexplained.
    """

    by_seed: np.ndarray
    by_image: np.ndarray
    residual: float

    @classmethod
    def from_correct(cls, correct: np.ndarray) -> "SeedScores":
        """Return the scores of (seeds, images) bool: whether each run classified each test image correctly."""
        seeds, images = correct.shape
        by_seed, by_image = correct.mean(axis=1), correct.mean(axis=0)
        rest = correct - by_image - by_seed[:, None] + by_seed.mean()
        residual = (rest**2).sum() / ((seeds - 1) * (images - 1)) if seeds > 1 else 0.0
        return cls(by_seed, by_image, residual)

    @property
    def accuracy(self) -> float:
        """Mean accuracy, a fraction."""
        return self.by_seed.mean()

    @property
    def seed_variance(self) -> Part:
        """(variance of the mean accuracy over seeds, on these images; its degrees of freedom)."""
        return self.by_seed.var(ddof=1) / len(self.by_seed), len(self.by_seed) - 1


def summarize_accuracy(scores: SeedScores) -> dict[str, float]:
    """Return the mean accuracy of a model, its standard deviation over seeds and its intervals, all fractions.

    low, high: 95% interval of the mean over seeds, on these images (Student's t). run_low, run_high: 95% prediction
    interval of the accuracy of one more run, on these images. population_low, population_high: of
    the mean over seeds and images, Wilson's for as many images as would give the variance of `_image_variance` and the
    seeds together. With one seed the deviation and the first two are NaN, and the third is Wilson's interval of that
    one network's accuracy.

    Source: E. L. Korn, B. I. Graubard, "Confidence Intervals for Proportions With Small Expected Number of
    Positive Counts Estimated From Survey Data", 1998, on the effective number.
    """
    seeds, images = len(scores.by_seed), len(scores.by_image)
    mean = scores.accuracy
    low = high = run_low = run_high = deviation = np.nan
    effective = float(images)
    if seeds > 1:
        deviation = scores.by_seed.std(ddof=1)
        low, high = _interval(mean, *_error([scores.seed_variance]), smallest=0)
        run_low, run_high = np.clip(prediction_interval(scores.by_seed), 0, 1)
        error, df = _error([scores.seed_variance, *_image_variance(scores.by_image, [scores])])
        if error > 0:
            effective = mean * (1 - mean) / error**2 * (stats.norm.ppf(ALPHA / 2) / stats.t.ppf(ALPHA / 2, df)) ** 2
    population_low, population_high = _wilson(mean, effective)
    return {
        "accuracy": mean,
        "accuracy_sd": deviation,
        "low": low,
        "high": high,
        "run_low": run_low,
        "run_high": run_high,
        "population_low": np.fmin(low, population_low),
        "population_high": np.fmax(high, population_high),
    }


def prediction_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95% prediction interval of one more value of a normal distribution, from (n,) values, two or more.

    Source: G. J. Hahn, "Factors for Calculating Two-Sided Prediction Intervals for Samples from a Normal
    Distribution", 1969.
    """
    n = len(values)
    half = stats.t.ppf(1 - ALPHA / 2, n - 1) * values.std(ddof=1) * (1 + 1 / n) ** 0.5
    return values.mean() - half, values.mean() + half


def chance_level(labels: np.ndarray) -> float:
    """Return the accuracy of always answering the most frequent of (images,) labels; 1 / classes if all are equal."""
    return np.unique(labels, return_counts=True)[1].max() / len(labels)


def at_chance(scores: dict[str, SeedScores], chance: float) -> set[str]:
    """Return the models at chance level: Wilson's interval of their mean accuracy, by images alone, reaches down to it.

    Few seeds that spread widely make an interval over seeds so wide that it would say this of any model.
    """
    lows = {name: _wilson(of_model.accuracy, len(of_model.by_image))[0] for name, of_model in scores.items()}
    return {name for name, low in lows.items() if low <= chance}


def comparisons(
    scores: dict[str, SeedScores],
    baseline: str,
    families: dict[str, tuple[str, list[str]]] | None = None,
    at_chance: Iterable[str] = (),
    same_as: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a DataFrame of COLUMNS: every model against the baseline, every pair, then each family, one per row.

    Of more than FEW models the pairs are those of the TOP best. As the data chose them, their p are multiplied by the
    number of all pairs (Bonferroni), which holds however pairs are chosen.

    scores: by model, all with the same seeds and images. families: by name, a model and those compared with it.
    at_chance: models of which two are not told apart, whatever the p: a network that answers one class throughout
    differs from one that answers another by the sizes of these classes. same_as: models that are another one
    by a second name; only the other one is compared with the baseline and in pairs, so that no test is counted twice.

    p is the larger one of two tests, since the permutation test alone would take unequal spreads over seeds for a
    difference. A claim on new images is never made without that on these.

    Sources: B. L. Welch, "The Generalization of 'Student's' Problem", 1947. A. Vargha, H. D.
    Delaney, "A Critique and Improvement of the CL Common Language Effect Size", 2000. E. J. G. Pitman,
    "Significance Tests Which May be Applied to Samples From any Populations", 1937. Q. McNemar, "Note on the Sampling
    Error of the Difference Between Correlated Proportions", 1947. J. Cohen, "Statistical Power Analysis for the
    Behavioral Sciences", 1988, on power. X. Bouthillier et al., "Accounting for Variance in Machine
    Learning Benchmarks", 2021, on seeds as a sample.
    """
    variants = [model for model in scores if model != baseline and model not in (same_as or {})]
    paired, chosen_from = [baseline, *variants], {}
    if len(scores) > FEW:
        chosen_from = {"pairs": comb(len(paired), 2)}
        best = sorted(paired, key=lambda model: (-scores[model].accuracy, model))[:TOP]
        paired = [model for model in paired if model in best]
    pairs_of = {
        "baseline": [(model, baseline) for model in variants],
        "pairs": [(second, first) for first, second in combinations(paired, 2)],
        **{name: [(row, of) for row in rows] for name, (of, rows) in (families or {}).items()},
    }
    return compare_pairs(pairs_of, scores, at_chance, chosen_from)


def compare_pairs(
    pairs_of: Mapping[str, list[tuple[str, str]]],
    scores: Mapping[str, SeedScores],
    at_chance: Iterable[str] = (),
    chosen_from: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return the rows of `comparisons` for pairs of a model and its reference, by family.

    chosen_from: of a family whose pairs the data chose, how many pairs there were to choose from.
    """
    chosen_from = chosen_from or {}
    tables = [_family(name, pairs, scores, chosen_from.get(name)) for name, pairs in pairs_of.items() if pairs]
    table = (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()).reindex(columns=list(COLUMNS))
    both = table["model"].isin(at_chance) & table["reference"].isin(at_chance) & (table["verdict"] != TOO_FEW)
    table.loc[both, ["verdict", "population_verdict"]] = AT_CHANCE
    return table


def seeds_needed(tests: int) -> int:
    """Return the fewest seeds with which the permutation test can show anything in a family of this number of tests."""
    seeds = 2
    while 2 / comb(2 * seeds, seeds) * tests > ALPHA:
        seeds += 1
    return seeds


def _family(
    name: str, pairs: list[tuple[str, str]], scores: Mapping[str, SeedScores], chosen_from: int | None
) -> pd.DataFrame:
    """Return the rows of one family of comparisons. chosen_from: as of `compare_pairs`."""
    tests = chosen_from or len(pairs)
    correct = (lambda p: np.minimum(p * chosen_from, 1)) if chosen_from else holm
    table = pd.DataFrame([_compare(scores[model], scores[reference]) for model, reference in pairs])
    table[["model", "reference"]] = pairs
    table["family"] = name
    a, b = (np.array([scores[model].by_seed for model in side]) for side in zip(*pairs, strict=True))
    table["seeds"] = seeds = a.shape[1]
    if seeds == 1:
        return table.assign(mcnemar_p_holm=correct(table["mcnemar_p"]), verdict=TOO_FEW, population_verdict=TOO_FEW)
    table["prob_superiority"] = stats.mannwhitneyu(a, b, axis=1).statistic / seeds**2
    images = len(scores[pairs[0][0]].by_image)
    p, table["min_attainable_p"] = _permutation_test(np.rint(a * images), np.rint(b * images), tests)
    for claim in ("", "population_"):
        table[f"{claim}p"] = np.maximum(p, table[f"{claim}p"])
        table[f"{claim}p_holm"] = corrected = correct(table[f"{claim}p"])
        sign = np.where(table["difference"] > 0, BETTER, WORSE)
        table[f"{claim}verdict"] = np.where(corrected <= ALPHA, sign, SAME)
    if seeds < seeds_needed(tests):
        return table.assign(verdict=TOO_FEW, population_verdict=TOO_FEW)
    deviation = np.sqrt((a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / 2)
    return table.assign(min_detectable_effect=detectable_effect(seeds, tests) * deviation)


def welch_interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of the difference of the means of (seeds,) fractions, a - b; two seeds or more each."""
    parts: list[Part] = [(sample.var(ddof=1) / len(sample), len(sample) - 1) for sample in (a, b)]
    return _interval(a.mean() - b.mean(), *_error(parts), smallest=-1)


def independent_interval(a: SeedScores, b: SeedScores) -> tuple[float, float]:
    """Return the 95% interval of the difference of mean accuracies, a - b, each over seeds and images of its own.

    Source: R. G. Newcombe, "Interval Estimation for the Difference Between Independent Proportions: Comparison of
    Eleven Methods", 1998, method 10, from the intervals of `summarize_accuracy` on new images.
    """
    (mean_a, low_a, high_a), (mean_b, low_b, high_b) = (
        [summary[key] for key in ("accuracy", "population_low", "population_high")]
        for summary in map(summarize_accuracy, (a, b))
    )
    difference = mean_a - mean_b
    return (
        difference - float(np.hypot(mean_a - low_a, high_b - mean_b)),
        difference + float(np.hypot(high_a - mean_a, mean_b - low_b)),
    )


def holm(p: Sequence[float] | np.ndarray | pd.Series) -> np.ndarray:
    """Return (tests,) p after Holm's step-down correction for their number, in the same order.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected


def _wilson(fraction: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95% interval of a proportion that is `fraction` of n, which need not be a whole number.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    z = stats.norm.isf(ALPHA / 2)
    center = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    return max(center - half, 0.0), min(center + half, 1.0)


def _permutation_test(a: np.ndarray, b: np.ndarray, tests: int) -> tuple[np.ndarray, float]:
    """Return the two-sided p of the difference of sums over seeds, one per pair, and the smallest there can be.

    a, b: (pairs, seeds) numbers of correct answers: whole numbers, whose ties rounding can't break. tests: for how many
    p will be corrected. As scipy.stats.permutation_test, whose random splits these are, but the sums of a block of
    splits are one product of matrices.
    """
    pairs, seeds = a.shape
    resamples, every = max(PERMUTATIONS, PERMUTATIONS_PER_TEST * tests), comb(2 * seeds, seeds)
    rng = np.random.default_rng(0)
    splits: Iterator = combinations(range(2 * seeds), seeds)
    if every > resamples:
        splits = (rng.permutation(2 * seeds)[:seeds] for _ in range(resamples))
    both, observed = np.concatenate([a, b], axis=1), a.sum(axis=1)  # the sum of one part decides the difference
    as_low = as_high = np.zeros(pairs)
    while block := list(islice(splits, max(1, 10_000_000 // both.size))):  # in bounded memory
        first = np.zeros((len(block), 2 * seeds))
        np.put_along_axis(first, np.array(block), 1.0, axis=1)
        sums = first @ both.T
        as_low, as_high = as_low + (sums <= observed).sum(axis=0), as_high + (sums >= observed).sum(axis=0)
    itself = int(every > resamples)  # is counted with random ones
    p = 2 * (np.minimum(as_low, as_high) + itself) / (min(every, resamples) + itself)
    return np.minimum(p, 1.0), max(2 / every, 2 / (resamples + 1))


def _compare(model: SeedScores, reference: SeedScores) -> dict[str, float]:
    """Return what is known of one pair without the other pairs, by column.

    With one seed the interval is Wald's of a difference of paired proportions.
    Source: A. Agresti, "Categorical Data Analysis", 2002, section 10.1.
    """
    difference = model.accuracy - reference.accuracy
    images = len(model.by_image)
    image_parts = _image_variance(model.by_image - reference.by_image, [model, reference])
    if len(model.by_seed) == 1:
        low, high = _interval(difference, *_error(image_parts), smallest=-1, images=images)
        only_one = model.by_image != reference.by_image  # of the two networks is right
        wins, n = int(model.by_image[only_one].sum()), int(only_one.sum())
        p = stats.binomtest(wins, n).pvalue if n else 1.0
        return {"difference": difference, "population_low": low, "population_high": high, "mcnemar_p": p}
    seed_parts = [model.seed_variance, reference.seed_variance]
    on_test_set, on_population = _error(seed_parts), _error(seed_parts + image_parts)
    low, high = _interval(difference, *on_test_set, smallest=-1)
    population_low, population_high = _interval(difference, *on_population, smallest=-1, images=images)
    return {
        "difference": difference,
        "low": low,
        "high": high,
        "p": _p(difference, *on_test_set),
        # Never the narrower one, as it could be with two or three seeds, whose df images add to.
        "population_low": min(low, population_low),
        "population_high": max(high, population_high),
        "population_p": _p(difference, *on_population),
    }


@cache
def detectable_effect(seeds: int, tests: int) -> float:
    """Return the difference, in standard deviations over seeds, that a t test at ALPHA / tests finds with POWER."""
    df, scale = 2 * seeds - 2, (2 / seeds) ** 0.5
    critical = stats.t.isf(ALPHA / tests / 2, df)
    return scale * brentq(lambda center: stats.nct.sf(critical, df, center) - POWER, 0, 2 * critical + 10)


def _image_variance(by_image: np.ndarray, models: list[SeedScores]) -> list[Part]:
    """Return what new images add to the variance of a mean over seeds and images.

    by_image: (images,) what the mean is of; models: the scores that it comes from.

    Seeds and images are crossed, both random. The variance over images of the mean over seeds and
    the variance over seeds both contain the residual, so it is subtracted once:

        var = var_seeds / seeds + var_images / images - residual / (seeds images).

    Source: S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components", 1992, chapter 4;
    as readers and cases in B. D. Gallas, "One-Shot Estimate of MRMC Variance: AUC", 2006.
    """
    images = len(by_image)
    variance = by_image.var(ddof=1) / images
    counted_twice = sum(scores.residual / (len(scores.by_seed) * images) for scores in models)
    df = sum((len(scores.by_seed) - 1) * (images - 1) for scores in models)
    return [(variance, images - 1), (-min(counted_twice, variance), df)]


def _error(parts: list[Part]) -> tuple[float, float]:
    """Return the standard error of an estimate, and its degrees of freedom.

    parts: of its variance, which is their sum; df by Satterthwaite's formula,
    in which a part may be subtracted while it is much smaller than the others.

    Sources: F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946.
    D. W. Gaylor, F. N. Hopper, "Estimating the Degrees of Freedom for Linear Combinations of Mean
    Squares by Satterthwaite's Formula", 1969, on subtraction.
    """
    variance = sum(part for part, _ in parts)
    if variance <= 0:  # all runs alike
        return 0.0, np.inf
    return variance**0.5, variance**2 / sum(part**2 / df for part, df in parts if part)


def _interval(
    estimate: float, error: float, df: float, smallest: float, images: int | None = None
) -> tuple[float, float]:
    """Return the 95% interval of Student's t, cut to what is possible: from `smallest` to 1.

    images: how many there are, where the interval is of new ones. If all of them are alike, new ones
    may still differ: it ends at the largest fraction of others of which this number of images shows none.

    Source: C. J. Clopper, E. S. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the
    Case of the Binomial", 1934, for no event.
    """
    half = stats.t.ppf(1 - ALPHA / 2, df) * error
    if error == 0 and images:
        half = 1 - (ALPHA / 2) ** (1 / images)
    return max(estimate - half, smallest), min(estimate + half, 1)


def _p(estimate: float, error: float, df: float) -> float:
    """Return the two-sided p of Student's t test that the true value is zero."""
    return 2 * stats.t.sf(abs(estimate) / error, df) if error > 0 else float(estimate == 0)
