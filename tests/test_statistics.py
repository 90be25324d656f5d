"""The statistics against textbooks, other formulas, and simulated studies whose truth is known."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from scipy import stats

from ablation.report.statistics import (
    SeedScores,
    at_chance,
    chance_level,
    comparisons,
    holm,
    independent_interval,
    seeds_needed,
    summarize_accuracy,
)

SEEDS, SEED_DEVIATION, IMAGE_DEVIATION = 5, 0.02, 1.5  # deviations on the scale of the probit model


def simulate(rng, models, seeds, images, effect=0.0, own=0.0, spread=1.0):
    """Return SeedScores by model of one study under a probit model with crossed random seeds and images.

    A run classifies an image correctly where 1.6 + its model's effect (in points, for all but the first model) +
    its seed's + the image's + the image's for this model + noise exceeds zero. The seeds of all but the
    first model vary `spread` times as much; their level makes up for what that does to their mean.
    """
    difficulty = IMAGE_DEVIATION * rng.standard_normal(images, dtype=np.float32)
    runs, by_images = {}, {}
    for number in range(models):
        level = 1.6 + (shift_of(effect) if number else 0.0) + difficulty
        level = level + own * rng.standard_normal(images, dtype=np.float32)
        by_images[f"m{number}"] = stats.norm.cdf(level / np.sqrt(1 + SEED_DEVIATION**2)).mean()
        deviation = SEED_DEVIATION * (spread if number else 1.0)
        level = level * np.sqrt((1 + deviation**2) / (1 + SEED_DEVIATION**2))
        of_seed = deviation * rng.standard_normal((seeds, 1), dtype=np.float32)
        runs[f"m{number}"] = SeedScores.from_correct(
            rng.standard_normal((seeds, images), dtype=np.float32) < level + of_seed
        )
    return runs, by_images


def population_accuracy(own=0.0, shift=0.0):
    """Return the accuracy over all seeds and images that `simulate` draws from."""
    return stats.norm.cdf((1.6 + shift) / np.sqrt(1 + SEED_DEVIATION**2 + IMAGE_DEVIATION**2 + own**2))


def shift_of(points):
    """Return the shift of the probit model that raises the population's accuracy by so many points."""
    scale = np.sqrt(1 + SEED_DEVIATION**2 + IMAGE_DEVIATION**2)
    return stats.norm.ppf(population_accuracy() + points / 100) * scale - 1.6


def runs_with(accuracies, images=1000):
    """Return SeedScores whose seeds have exactly these accuracies, wrong on the last images."""
    return SeedScores.from_correct(np.arange(images) < np.round(np.array(accuracies)[:, None] * images))


def against_baseline(**runs):
    """Return the comparisons of the first family as a list of rows."""
    table = comparisons(runs, next(iter(runs)))
    return [row for _, row in table[table["family"] == "baseline"].iterrows()]


A, B, C = [0.70, 0.71, 0.72, 0.73, 0.74], [0.75, 0.76, 0.77, 0.78, 0.79], [0.70, 0.72, 0.74, 0.73, 0.715]


def test_five_against_five_all_above():
    """Of the 252 ways to split ten into two fives, two are as extreme: p = 2 / 252."""
    (row,) = against_baseline(a=runs_with(A), b=runs_with(B))
    assert row["difference"] == pytest.approx(0.05)
    assert row["p"] == row["min_attainable_p"] == pytest.approx(2 / 252)
    assert row["prob_superiority"] == 1
    assert (row["verdict"], row["mcnemar_p"]) == ("better", pytest.approx(np.nan, nan_ok=True))
    (turned,) = against_baseline(b=runs_with(B), a=runs_with(A))
    assert turned["difference"] == pytest.approx(-0.05)
    assert (turned["verdict"], turned["prob_superiority"]) == ("worse", 0)


def test_intervals_on_these_images_are_students_and_welchs():
    (row,) = against_baseline(a=runs_with(A), c=runs_with(C))
    expected = stats.ttest_ind(C, A, equal_var=False).confidence_interval()
    assert (row["low"], row["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    one = summarize_accuracy(runs_with(A))
    expected = stats.ttest_1samp(A, 0).confidence_interval()
    assert (one["low"], one["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert one["accuracy_sd"] == pytest.approx(np.std(A, ddof=1))


def test_one_more_run_is_where_students_t_has_it():
    one, mean = summarize_accuracy(runs_with(A)), np.mean(A)
    half = stats.t.ppf(0.975, 4) * np.std(A, ddof=1) * np.sqrt(1 + 1 / 5)
    assert (one["run_low"], one["run_high"]) == (pytest.approx(mean - half), pytest.approx(mean + half))
    near_one = summarize_accuracy(runs_with([0.98, 0.99, 1.0]))
    assert near_one["run_low"] < 0.98 and near_one["run_high"] == 1


def test_two_studies_by_newcombes_example():
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 by his method 10 (Newcombe, 1998, table II, a)."""
    first, second = (SeedScores.from_correct(np.arange(n)[None] < right) for right, n in ((56, 70), (48, 80)))
    low, high = independent_interval(first, second)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_prob_superiority_counts_pairs_and_half_the_ties():
    (row,) = against_baseline(a=runs_with(A), c=runs_with(C))
    wins = sum((c > a) + 0.5 * (c == a) for c, a in product(C, A))
    assert row["prob_superiority"] == pytest.approx(wins / 25)
    assert row["verdict"] == "not distinguishable"


def test_mcnemar_with_one_seed():
    """20 images that only one of two networks gets right, 5 that only the other does: a sign test."""
    first, second = np.ones((1, 100), bool), np.ones((1, 100), bool)
    first[0, :20], second[0, 20:25] = False, False
    (row,) = against_baseline(a=SeedScores.from_correct(first), b=SeedScores.from_correct(second))
    assert row["mcnemar_p"] == pytest.approx(2 * sum(comb(25, wins) for wins in range(6)) / 2**25)
    assert row["mcnemar_p"] == pytest.approx(0.004077, abs=1e-6)
    assert row["difference"] == pytest.approx(0.15)
    assert (row["verdict"], row["population_verdict"]) == ("too few seeds", "too few seeds")
    assert np.isnan(row["p"])
    assert np.isnan(row["min_detectable_effect"])
    assert row["population_low"] > 0


def test_mcnemar_of_networks_that_classify_alike():
    alike = SeedScores.from_correct(np.arange(20)[None] < 15)
    (row,) = against_baseline(a=alike, b=alike)
    assert (row["mcnemar_p"], row["mcnemar_p_holm"], row["difference"]) == (1, 1, 0)


def test_wilsons_interval_with_one_seed():
    """15 of 20: 0.531 to 0.888 (Brown, Cai, DasGupta, 2001, by their formula 4)."""
    one = summarize_accuracy(SeedScores.from_correct(np.arange(20)[None] < 15))
    assert (one["population_low"], one["population_high"]) == (
        pytest.approx(0.5313, abs=1e-4),
        pytest.approx(0.8881, abs=1e-4),
    )
    assert np.isnan([one["low"], one["high"], one["accuracy_sd"]]).all()


def test_p_is_the_larger_of_the_permutation_tests_and_welchs():
    """Means a point apart with spreads of one to thirty: the permutation test alone would say more than is known."""
    narrow, wide = [0.700, 0.701, 0.702, 0.701, 0.701], [0.72, 0.76, 0.78, 0.705, 0.74]
    (row,) = against_baseline(a=runs_with(narrow), b=runs_with(wide))
    welch = stats.ttest_ind(wide, narrow, equal_var=False).pvalue
    assert row["min_attainable_p"] == pytest.approx(2 / 252)
    assert row["p"] == pytest.approx(max(welch, 2 / 252)) == pytest.approx(welch)


def test_ties_of_the_permutation_test_are_not_lost_to_rounding():
    """By counting: the fraction of the 252 splits whose sums are at least as far apart, the two tails together."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.integers(700, 706, (2, 5))
        pooled = [*a, *b]
        sums = np.array([2 * sum(split) - sum(pooled) for split in combinations(pooled, 5)])
        found = a.sum() - b.sum()
        expected = min(1, 2 * min((sums >= found).mean(), (sums <= found).mean()))
        (row,) = against_baseline(b=runs_with(b / 1000), a=runs_with(a / 1000))
        assert row["p"] == pytest.approx(max(expected, stats.ttest_ind(a, b, equal_var=False).pvalue))


def test_holm_within_each_family():
    """Step down: the smallest p times the number of tests, the next times one fewer, never falling."""
    rng = np.random.default_rng(3)
    runs = {
        f"m{number}": runs_with(np.round(0.7 + 0.01 * number + 0.01 * rng.normal(size=6), 3)) for number in range(4)
    }
    table = comparisons(runs, "m0")
    assert table["family"].tolist() == ["baseline"] * 3 + ["pairs"] * 6
    for _, family in table.groupby("family"):
        ordered = family.sort_values("p")
        steps = [p * (len(family) - rank) for rank, p in enumerate(ordered["p"])]
        np.testing.assert_allclose(ordered["p_holm"], np.minimum(np.maximum.accumulate(steps), 1))


def test_a_family_is_corrected_for_its_own_comparisons():
    """Two rows against m1, whatever the number of other models: the smallest p times two, the other as it is."""
    rng = np.random.default_rng(3)
    runs = {f"m{number}": runs_with(np.round(0.7 + 0.01 * rng.normal(size=6), 3)) for number in range(5)}
    table = comparisons(runs, "m0", {"parts": ("m1", ["m3", "m2"]), "none": ("m1", [])})
    assert list(table["family"].unique()) == ["baseline", "pairs", "parts"]
    parts = table[table["family"] == "parts"].set_index("model")
    assert list(parts.index) == ["m3", "m2"]
    assert set(parts["reference"]) == {"m1"}
    low, high = parts["p"].min(), parts["p"].max()
    assert sorted(parts["p_holm"]) == pytest.approx([min(2 * low, 1), max(min(2 * low, 1), high)])
    pair = table[(table["family"] == "pairs") & (table["model"] == "m2") & (table["reference"] == "m1")].iloc[0]
    assert parts.loc["m2", "difference"] == pair["difference"]
    assert parts.loc["m2", "p"] == pair["p"]
    assert parts.loc["m2", "min_detectable_effect"] < pair["min_detectable_effect"]  # of two comparisons, not ten


def test_chance_is_the_share_of_the_most_frequent_class():
    assert chance_level(np.array([0, 1, 2, 1])) == 0.5
    assert chance_level(np.repeat(np.arange(10), 7)) == 0.1


def test_two_models_at_chance_are_not_told_apart():
    """However sure it is that one answers a larger class than the other; but from a model above chance both are."""
    alike = {name: runs_with([accuracy] * 6) for name, accuracy in (("a", 0.1), ("b", 0.09), ("c", 0.9))}
    weak = at_chance(alike, 0.1)
    assert weak == {"a", "b"}
    table = comparisons(alike, "a", at_chance=weak)
    b, c = (table[(table["family"] == "baseline") & (table["model"] == name)].iloc[0] for name in "bc")
    assert b["p_holm"] < 0.05
    assert (b["verdict"], b["population_verdict"]) == ("both at chance", "both at chance")
    assert (c["verdict"], c["population_verdict"]) == ("better", "better")
    assert comparisons(alike, "a").iloc[0]["verdict"] == "worse"
    few = {name: runs_with([accuracy] * 2) for name, accuracy in (("a", 0.1), ("b", 0.09))}
    assert comparisons(few, "a", at_chance=weak).iloc[0]["verdict"] == "too few seeds"


def test_holm_by_hand():
    """.01 x 4; .02 x 3; .03 x 2 is no more than the one before; .5."""
    assert holm([0.03, 0.01, 0.5, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.7, 0.8]).tolist() == [1, 1]


def test_seeds_needed():
    """The smallest p is 2 / C(2n, n): 2/20 with three seeds, 2/70, 2/252, 2/924."""
    assert [seeds_needed(tests) for tests in (1, 2, 6, 7, 21)] == [4, 5, 5, 6, 6]
    assert seeds_needed(10**6) == 14  # more comparisons than random permutations
    (row,) = against_baseline(a=runs_with(A[:3]), b=runs_with(B[:3]))
    assert row["p"] == pytest.approx(0.1)
    assert (row["verdict"], row["population_verdict"]) == ("too few seeds", "too few seeds")


def test_the_min_detectable_effect_is_cohens():
    """64 a side, 5%, power 0.8: half a standard deviation (Cohen, 1988, table 2.4.1)."""
    rng = np.random.default_rng(0)
    a, b = (np.round(0.7 + 0.01 * rng.normal(size=64), 3) for _ in "ab")
    (row,) = against_baseline(a=runs_with(a), b=runs_with(b))
    deviation = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert row["min_detectable_effect"] / deviation == pytest.approx(0.5, abs=0.002)


def test_variance_over_new_images_by_the_classical_table():
    """(MS seeds + MS images - MS residual) / (seeds images), written out as sums of squares; then Wilson's formula."""
    correct = np.random.default_rng(1).random((4, 60)) < np.linspace(0.2, 0.9, 60)
    seeds, images = correct.shape
    mean, rows, columns = correct.mean(), correct.mean(axis=1), correct.mean(axis=0)
    of_seeds = images * ((rows - mean) ** 2).sum()
    of_images = seeds * ((columns - mean) ** 2).sum()
    rest = ((correct - mean) ** 2).sum() - of_seeds - of_images
    squares = np.array([of_seeds, of_images, rest])
    df = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)])
    parts = squares / df / (seeds * images) * [1, 1, -1]
    t = stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2 / df).sum())
    n = mean * (1 - mean) / parts.sum() * (1.96 / t) ** 2
    centre = (mean + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n)
    half = 1.96 / (1 + 1.96**2 / n) * np.sqrt(mean * (1 - mean) / n + 1.96**2 / (4 * n**2))
    found = summarize_accuracy(SeedScores.from_correct(correct))
    assert found["population_low"] == pytest.approx(centre - half, abs=1e-4)
    assert found["population_high"] == pytest.approx(centre + half, abs=1e-4)


def test_runs_that_are_all_alike():
    """No difference in 1,000 images: on new ones, at most the fraction of which this number shows none."""
    (row,) = against_baseline(a=runs_with([0.9] * 5), b=runs_with([0.9] * 5))
    assert (row["difference"], row["p"], row["low"], row["high"]) == (0, 1, 0, 0)
    assert row["verdict"] == row["population_verdict"] == "not distinguishable"
    assert 0.975 ** (1 / 1000) > 1 - row["population_high"] == pytest.approx(0.025 ** (1 / 1000))
    assert row["population_low"] == -row["population_high"]


def test_runs_that_are_right_on_every_image():
    found = summarize_accuracy(runs_with([1.0] * 5, images=50))
    assert (found["low"], found["high"], found["population_high"]) == (1, 1, pytest.approx(1))
    assert found["population_low"] == pytest.approx(0.9287, abs=1e-4)  # Wilson: 50 / (50 + 1.96 squared)


def test_two_seeds_two_images():
    runs = {
        name: SeedScores.from_correct(np.array([[True, False], [True, right]]))
        for name, right in (("a", False), ("b", True))
    }
    table = comparisons(runs, "a")
    assert not table[["low", "high", "population_low", "population_high", "p", "population_p"]].isna().any(axis=None)


def test_an_interval_on_new_images_holds_the_one_on_these():
    """Also with two seeds far apart, where images add more degrees of freedom than variance."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (SeedScores.from_correct(rng.random((2, 300)) < rng.uniform(0.5, 0.9, (2, 1))) for _ in "ab")
        (row,) = against_baseline(a=a, b=b)
        assert row["population_low"] <= row["low"] <= row["high"] <= row["population_high"]


def test_one_model_has_nothing_to_compare():
    assert comparisons({"a": runs_with(A)}, "a").empty


@pytest.mark.parametrize("studies", [400, pytest.param(2000, marks=pytest.mark.faults)])
@pytest.mark.parametrize(
    ("own", "spread"),
    [(0.0, 1.0), (0.5, 1.0), (0.0, 3.0)],
    ids=["images alike for all models", "images of their own for each model", "seeds of the baseline a third as wide"],
)
def test_simulated_studies_with_no_true_difference(studies, own, spread):
    """Any verdict is an error. Intervals hold the truth in 95 of 100; where each model has its own images,
    the models do differ on these images, and only the claims on new images have a truth to hold."""
    rng = np.random.default_rng(20)
    margin = 2.58 * np.sqrt(0.05 * 0.95 / studies)  # 99% of simulations with exactly 5% are within
    errors, covered = {}, {}
    for _ in range(studies):
        runs, by_images = simulate(rng, models=4, seeds=SEEDS, images=500, own=own, spread=spread)
        table = comparisons(runs, "m0")
        for claim in ("", "population_"):
            seen = table[f"{claim}verdict"].isin(["better", "worse"]).groupby(table["family"]).any()
            for family, wrong in seen.items():
                errors.setdefault(f"{claim}{family}", []).append(wrong)
            first, mean = table.iloc[0], summarize_accuracy(runs["m0"])
            truth = population_accuracy(own) if claim else by_images["m0"]
            covered.setdefault(f"{claim}difference", []).append(first[f"{claim}low"] <= 0 <= first[f"{claim}high"])
            covered.setdefault(f"{claim}accuracy", []).append(mean[f"{claim}low"] <= truth <= mean[f"{claim}high"])
    rates = {name: np.mean(each) for name, each in errors.items()}
    coverage = {name: np.mean(each) for name, each in covered.items()}
    print(f"\nfamily-wise error {rates}\ncoverage {coverage}")
    claims = ("population_",) if own else ("", "population_")
    for claim in claims:
        assert max(rates[f"{claim}baseline"], rates[f"{claim}pairs"]) <= 0.05 + margin
        for what in ("difference", "accuracy"):
            assert coverage[f"{claim}{what}"] == pytest.approx(0.95, abs=0.01 * np.sqrt(2000 / studies))


def test_power_for_one_point():
    """Six variants a point better than the baseline, 10,000 images: how many are seen."""
    rng = np.random.default_rng(4)
    tables, deviations = [], []
    for _ in range(50):
        runs, _ = simulate(rng, models=7, seeds=SEEDS, images=10_000, effect=1.0)
        tables.append(comparisons(runs, "m0").query("family == 'baseline'"))
        deviations.append(runs["m0"].by_seed.std(ddof=1))
    power = {
        claim: np.mean([(table[claim] == "better").mean() for table in tables])
        for claim in ("verdict", "population_verdict")
    }
    print(f"\npower for one point, {SEEDS} seeds, deviation over seeds {100 * np.mean(deviations):.2f} points: {power}")
    assert power["verdict"] > 0.5
