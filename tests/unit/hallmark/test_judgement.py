import math

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]

from hallmark.judgement import same_number, wilson_interval


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_scipy_s(counts: tuple[int, int]) -> None:
    correct, total = counts
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(correct, total)
    assert math.isclose(low, expected.low, abs_tol=1e-9)
    assert math.isclose(high, expected.high, abs_tol=1e-9)
    assert 0 <= low < high <= 1


def test_numbers_are_the_same_up_to_the_tolerance_only() -> None:
    assert same_number("100", "100.00001", 1e-6)
    assert not same_number("100", "100.0002", 1e-6)
    assert same_number("0", "0.0", 0)
    assert not same_number("setosa", "setosa", 1)
