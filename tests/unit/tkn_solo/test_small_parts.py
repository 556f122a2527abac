"""Names, Kubernetes' expansion, masking, capabilities, when."""

import itertools
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.capabilities import DEFAULT, granted
from tkn_solo.errors import InputError
from tkn_solo.expansion import expand
from tkn_solo.facts import allows
from tkn_solo.kubernetes import Capabilities
from tkn_solo.masking import LineStream, Masker
from tkn_solo.model import When
from tkn_solo.names import child_name, container_name


@pytest.mark.parametrize(
    ("parent", "suffix", "name"),
    [
        ("run", "-task", "run-task"),
        ("r" * 61, "-t", "r" * 61 + "-t"),
        # Cut to 31 characters less the suffix, then the MD5 of the parent.
        ("r" * 62, "-t", "r" * 29 + "a5dd63fbfabdf17d7cfeb329f80aff15" + "-t"),
        # A suffix that leaves no room is hashed too.
        ("run", "-" + "x" * 60, "run" + "990703c0084b8b0ee9916d0c136d87d8" + "-" + "x" * 27),
    ],
)
def test_long_names_are_hashed_like_upstream(parent: str, suffix: str, name: str) -> None:
    assert child_name(parent, suffix) == name


def test_containers_have_upstreams_names() -> None:
    assert (container_name("build", 3), container_name("", 3)) == ("step-build", "step-unnamed-3")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$(B)", "$(B)"), ("$A $", "$A $"), ("a$(A)b", "a1b")],
)
def test_container_variables_expand_as_in_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_secrets_are_masked_line_by_line_and_short_ones_are_not() -> None:
    masker = Masker(["first-line\nsecond-line\n", "12345", "first-line-and-more"])
    assert masker.text("a first-line-and-more b first-line c second-line d 12345") == "a *** b *** c *** d 12345"


def test_a_secret_in_a_document_is_masked_before_it_is_escaped_or_broken_into_lines() -> None:
    odd, long, host = 'pass"wörd\\', "word " * 40 + "end", "127.0.0.1:5000"
    masker = Masker([odd, long, host])
    data = {"items": [{"value": f"a {odd}", "image": f"{host}/iris", host: (long, 7, None)}]}
    masked = {"items": [{"value": "a ***", "image": "***/iris", "***": ["***", 7, None]}]}
    assert json.loads(json.dumps(masker.data(data))) == masked
    assert yaml.safe_load(yaml.safe_dump(masker.data(data), width=120)) == masked


@given(st.lists(st.integers(min_value=0, max_value=60), max_size=6), st.text(alphabet="ab \n", max_size=40))
def test_a_secret_is_masked_wherever_the_reads_cut_it(cuts: list[int], around: str) -> None:
    data = f"{around}top-secret{around}".encode()
    stream = LineStream(Masker(["top-secret"]), limit=16)
    points = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found = [piece for start, end in itertools.pairwise(points) for piece in stream.feed(data[start:end])]
    whole = b"".join([*found, *stream.end()])
    assert whole == data.replace(b"top-secret", b"***")


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    stream = LineStream(Masker([]), limit=1000)
    pieces = [piece for _ in range(100) for piece in stream.feed(b"x" * 100)]
    assert len(pieces) > 2
    assert b"".join([*pieces, *stream.end()]) == b"x" * 10000


def test_only_root_has_capabilities() -> None:
    asked = Capabilities(add=("CAP_SETFCAP",), drop=("KILL",))
    assert granted(asked, root=False, where="") == frozenset()
    assert granted(asked, root=True, where="") == DEFAULT - {"KILL"} | {"SETFCAP"}
    assert granted(Capabilities(drop=("ALL",), add=("CHOWN",)), root=True, where="") == {"CHOWN"}


@pytest.mark.parametrize("name", ["SYS_ADMIN", "MKNOD", "ALL", "cap_sys_ptrace"])
def test_a_capability_that_opens_the_sandbox_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be added"):
        granted(Capabilities(add=(name,)), root=True, where="here")


@pytest.mark.parametrize(
    ("expressions", "allowed"),
    [
        ((), True),
        ((When(input="a", operator="in", values=("a", "b")),), True),
        ((When(input="a", operator="notin", values=("a",)),), False),
        ((When(input="a", operator="in", values=("a",)), When(input="a", operator="in", values=("A",))), False),
    ],
)
def test_when_is_a_conjunction_of_exact_comparisons(expressions: tuple[When, ...], allowed: bool) -> None:
    assert allows(expressions) is allowed
