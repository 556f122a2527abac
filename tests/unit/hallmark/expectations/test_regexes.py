import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark.expectations.regexes import contains

PATTERNS = [
    "a", "^a", "a$", "a$b", "^$", "$", r"\s", r"\S", r"\d+", r"\D", r"^\w+$", r"[\w.]+", r"\W", r"[^\w]", r"[^\s]",
    r"[]a]", "[a-c-]", "[[]", "[&&a]", "[~~]", "{", "a{", "a{,2}b", "a{2,}", "a{1,2}?b", "(a|b)c", "(?P<n>a)b", "(?:a)",
    r"\.", r"a\Z", r"\Aa", r"a|^b$", ".", "a.b", "é", r"\bword\b", "(?i)STRASSE", "(?=a)b", r"(a)\1", "😀", r"\x41",
    r"[\d-]", r"\t", "-", r"\-", "#", " ", "a*?", "a+", "(a?)*", "(?s)a.b", "(?m)^b",
]  # fmt: skip
ALPHABET = "abc{}[]&~.-# \n\t\x0b\x1c\x85 éß\u017fK٣²Ⅷ\u0301_😀A1"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
def test_a_pattern_finds_what_python_finds(pattern: str) -> None:
    compiled = re.compile(pattern)

    @settings(max_examples=15, deadline=None, database=None, derandomize=True)
    @given(st.lists(st.text(ALPHABET, max_size=6), min_size=30, max_size=30))
    def compare(texts: list[str]) -> None:
        texts = [*texts, "", "a", "b", "ab", "a\n", "aab", "STRASSE", "straße", "word", "A", "a.b", "{", "\u0301"]
        frame = pl.DataFrame({"s": [*texts, None]})
        found = frame.select(contains(pl.col("s"), pattern)).to_series().to_list()
        assert found == [*(compiled.search(text) is not None for text in texts), None]

    compare()


def test_a_pattern_that_is_none_is_an_error() -> None:
    with pytest.raises(re.error):
        contains(pl.col("s"), "[a-")
