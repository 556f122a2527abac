"""The statistics are scipy's, to nine digits, for any samples; and a profile's differ by no more than it says."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hallmark.drift import kolmogorov, statistics
from hallmark.drift.distribution import DISTINCT, QUANTILES, Distribution, Tally, cuts, quantiles

Floats = npt.NDArray[np.float64]
CLOSE = 1e-9

# Of samples of equal size scipy's exact sum may be a little above 1; it says so, and takes the other way.
pytestmark = pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")

whole = st.integers(-5, 5).map(float)
any_float = st.floats(allow_nan=False, width=64)
finite = st.floats(-1e6, 1e6)


def samples(values: st.SearchStrategy[float], most: int = 60) -> st.SearchStrategy[Floats]:
    """Of ties, constants or anything, of any length."""
    return arrays.arrays(np.float64, st.integers(1, most), elements=values)


some = st.one_of(samples(whole), samples(any_float), samples(st.just(3.0)), samples(finite))
counts = arrays.arrays(np.int64, 6, elements=st.integers(0, 50)).filter(lambda row: row.sum() > 0)


def tallied(reference: Distribution, current: Floats, batches: int = 3) -> Tally:
    tally = Tally(reference=reference)
    for part in np.array_split(current, batches):
        tally.add(part.copy())
    return tally


@settings(max_examples=300, deadline=None)
@given(some, some)
def test_kolmogorov_smirnov_is_scipys(reference: Floats, current: Floats) -> None:
    expected = scipy.stats.ks_2samp(reference, current)
    distance, p = statistics.kolmogorov_smirnov(reference, current)
    assert distance == pytest.approx(expected.statistic, abs=CLOSE)
    assert p == pytest.approx(expected.pvalue, abs=CLOSE)


@settings(max_examples=300, deadline=None)
@given(some, some)
def test_counting_at_the_references_steps_gives_the_same_distance(reference: Floats, current: Floats) -> None:
    expected = scipy.stats.ks_2samp(reference, current).statistic
    assert tallied(Distribution.of(reference), current).distance() == pytest.approx(expected, abs=CLOSE)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3_000_000), st.floats(0.001, 5))
def test_the_p_value_of_large_samples_is_scipys(size: int, scaled: float) -> None:
    distance = min(1.0, scaled / math.sqrt(size))
    assert kolmogorov.one_sample(distance, size) == pytest.approx(scipy.stats.kstwo.sf(distance, size), abs=CLOSE)


@pytest.mark.parametrize(("n", "m"), [(10_001, 7), (20_000, 15_000), (10_000, 9_999), (10_000, 10_000), (300_000, 90)])
def test_small_and_large_samples_change_over_where_scipy_does(n: int, m: int) -> None:
    chance = np.random.default_rng(n + m)
    reference, current = chance.normal(size=n), chance.normal(0.02, 1, size=m)
    expected = scipy.stats.ks_2samp(reference, current)
    found = statistics.kolmogorov_smirnov(reference, current)
    assert found == pytest.approx((expected.statistic, expected.pvalue), abs=CLOSE)


def test_a_p_value_is_one_for_no_distance_and_zero_for_a_whole_one() -> None:
    assert kolmogorov.one_sample(0.0, 10) == 1.0
    assert kolmogorov.one_sample(1.0, 10) == 0.0
    assert kolmogorov.two_sample(0.0, 3, 4) == 1.0
    assert kolmogorov.two_sample(1.0, 1, 1) == 1.0
    assert 0 < kolmogorov.two_sample(1.0, 30, 40) < 1e-15


@settings(max_examples=200, deadline=None)
@given(st.one_of(samples(whole), samples(finite)), st.one_of(samples(whole), samples(finite)))
def test_wasserstein_is_scipys(reference: Floats, current: Floats) -> None:
    expected = scipy.stats.wasserstein_distance(reference, current)
    assert statistics.wasserstein(reference, current) == pytest.approx(expected, rel=CLOSE, abs=CLOSE)
    whole = Distribution.of(reference)
    assert whole.area_to(np.sort(current)) == pytest.approx(expected, rel=CLOSE, abs=CLOSE)


@settings(max_examples=200, deadline=None)
@given(counts, counts)
def test_jensen_shannon_chi_square_and_stability_are_scipys(reference: Floats, current: Floats) -> None:
    expected = scipy.spatial.distance.jensenshannon(reference, current)
    # The root of a rounding error is larger than that: of equal rows scipy may say 1e-8.
    assert statistics.jensen_shannon(reference, current) ** 2 == pytest.approx(expected**2, abs=CLOSE)

    used = (reference + current) > 0
    table = scipy.stats.chi2_contingency([reference[used], current[used]], correction=False)
    assert statistics.chi_square(reference, current) == pytest.approx((table.statistic, table.pvalue), abs=CLOSE)

    p, q = (np.maximum(row[used] / row.sum(), statistics.SMALLEST_SHARE) for row in (reference, current))
    entropy = scipy.special.rel_entr(p, q).sum() + scipy.special.rel_entr(q, p).sum()
    assert statistics.population_stability(reference, current) == pytest.approx(entropy, abs=CLOSE)


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 3000), st.integers(1, 2000))
def test_chi_squares_tail_is_scipys(statistic: float, freedom: int) -> None:
    expected = scipy.stats.chi2.sf(statistic, freedom)
    assert statistics.chi_square_tail(statistic, freedom) == pytest.approx(expected, abs=CLOSE)


@given(arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_adjusted_p_values_are_scipys_and_holms_lie_between(p: Floats) -> None:
    expected = scipy.stats.false_discovery_control(p, method="bh")
    assert statistics.adjusted(p, "bh") == pytest.approx(expected, abs=CLOSE)
    holm, bonferroni = statistics.adjusted(p, "holm"), statistics.adjusted(p, "bonferroni")
    assert (statistics.adjusted(p, "none") <= holm).all()
    assert (holm <= bonferroni).all()
    assert holm.min() == bonferroni.min()


def test_holms_adjustment_is_the_textbooks() -> None:
    assert statistics.adjusted(np.array([0.01, 0.04, 0.03, 0.005]), "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: statistics.kolmogorov_smirnov(np.array([]), np.array([1.0])),
        lambda: statistics.kolmogorov_smirnov(np.array([1.0]), np.array([math.nan])),
        lambda: statistics.wasserstein(np.array([1.0]), np.array([math.inf])),
        lambda: statistics.jensen_shannon(np.array([0.0]), np.array([1.0])),
        lambda: statistics.chi_square(np.array([0.0, 0.0]), np.array([1.0, 2.0])),
        lambda: statistics.adjusted(np.array([1.0]), "hlom"),
    ],
)
def test_what_has_no_distance_is_an_error(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match=r".+"):
        wrong()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(DISTINCT + 1, 20_000),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["normal", "heavy", "ties", "infinite", "one value"]),
    samples(st.one_of(finite, any_float)),
)
def test_a_profiles_distance_differs_by_no_more_than_its_bound(
    count: int, seed: int, shape: str, current: Floats
) -> None:
    chance = np.random.default_rng(seed)
    reference = {
        "normal": lambda: chance.normal(size=count),
        "heavy": lambda: chance.standard_cauchy(count) ** 3,
        "ties": lambda: np.where(chance.random(count) < 0.7, 0.25, chance.normal(size=count)),
        "infinite": lambda: np.where(chance.random(count) < 0.1, -np.inf, chance.normal(size=count)),
        "one value": lambda: np.append(np.zeros(count - 1), 1.0),
    }[shape]()
    exact = Distribution.of(reference)
    kept = Distribution.of_quantiles(quantiles(exact), count)
    assert kept.error <= 0.5 / (QUANTILES - 1)
    assert np.abs(kept.share_up_to(reference) - exact.share_up_to(reference)).max() <= kept.error + 1e-12
    mixed = np.concatenate([current, chance.choice(reference, 40)])
    true = scipy.stats.ks_2samp(reference, mixed, method="asymp").statistic
    assert abs(tallied(kept, mixed).distance() - true) <= kept.error + 1e-12


@given(some)
def test_counts_of_distinct_values_are_exact(reference: Floats) -> None:
    exact = Distribution.of(reference)
    again = Distribution.of_counts(exact.values, exact.counts)
    assert (again.cumulative == exact.cumulative).all()
    assert exact.error == again.error == 0
    assert int(exact.counts.sum()) == len(reference)


@given(some, some, st.integers(2, 12))
def test_every_value_lies_in_one_bin(reference: Floats, current: Floats, bins: int) -> None:
    tally = tallied(Distribution.of(reference), current)
    before, now = tally.bins(bins)
    assert before.sum() == pytest.approx(len(reference))
    assert now.sum() == len(current)
    assert (before >= -CLOSE).all()
    assert (now >= 0).all()
    assert len(cuts(tally.reference, bins).place) <= 2 * bins


@given(some, some)
def test_a_histogram_holds_all_of_both(reference: Floats, current: Floats) -> None:
    drawn = tallied(Distribution.of(reference), current).histogram()
    assert sum(drawn["reference"]) == pytest.approx(1)
    assert sum(drawn["current"]) == pytest.approx(1)
    assert len(drawn["reference"]) == len(drawn["current"]) == len(drawn["edges"]) + 1
    assert all(map(math.isfinite, drawn["edges"]))


@pytest.mark.parametrize("moved", [-1e-9, 1e-9])
def test_a_constant_that_moves_is_seen_in_the_bins_too(moved: float) -> None:
    before, now = tallied(Distribution.of(np.full(50, 1.0)), np.full(50, 1.0 + moved)).bins(10)
    assert statistics.jensen_shannon(before, now) == pytest.approx(math.sqrt(math.log(2)))
