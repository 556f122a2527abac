"""Known answers of upstream's ApplyReplacements, and its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.kubernetes import EnvVar
from tkn_solo.model import Step
from tkn_solo.substitution import Replacements, parameter_of, replace, replace_list, replace_text, replace_value
from tkn_solo.variables import of_value

KNOWN = Replacements(
    {"params.x": "value", "params.y": "$(params.x)", 'params["a.b"]': "dotted"},
    {"params.list": ("one", "two"), "params.none": ()},
    {"params.o": {"k": "v"}},
)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("$(params.x)", "value"),
        ("a $(params.x) b $(params.x)", "a value b value"),
        ("$(date) $(date +%s) $$", "$(date) $(date +%s) $$"),
        ("$$(params.x)", "$value"),
        ('$(params["a.b"])', "dotted"),
        ("$(params.unknown)", "$(params.unknown)"),
        ("$(echo $(params.x))", "$(echo value)"),
        ("$(params.x", "$(params.x"),
    ],
)
def test_only_known_variables_are_replaced(text: str, replaced: str) -> None:
    assert replace_text(text, KNOWN) == replaced


def test_a_replaced_value_is_not_looked_at_again_in_the_same_pass() -> None:
    assert replace_text("$(params.y)", KNOWN) == "$(params.x)"


@pytest.mark.parametrize(
    ("items", "replaced"),
    [
        (("$(params.list[*])",), ("one", "two")),
        (("$(params.list)",), ("one", "two")),
        (("a", "$(params.none[*])", "b"), ("a", "b")),
        (("x $(params.list[*])",), ("x $(params.list[*])",)),
        (("$(params.x)", "$(params.x) "), ("value", "value ")),
    ],
)
def test_an_array_expands_only_as_a_whole_element(items: tuple[str, ...], replaced: tuple[str, ...]) -> None:
    assert replace_list(items, KNOWN) == replaced


def test_a_value_that_is_one_whole_reference_takes_its_type() -> None:
    assert replace_value("$(params.list[*])", KNOWN) == ("one", "two")
    assert replace_value("$(params.o[*])", KNOWN) == {"k": "v"}
    assert replace_value("-$(params.x)-", KNOWN) == "-value-"
    assert replace_value({"k": "$(params.x)"}, KNOWN) == {"k": "value"}


def test_every_spelling_of_a_variable_is_known() -> None:
    replacements = of_value("params", "a", ("x", "y"))
    assert replace_text("""$(params.a[1]) $(params["a"][0]) $(params['a'][1])""", replacements) == "y x y"


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("params.a", "a"),
        ("params.a[0]", "a"),
        ("params.o.key", "o"),
        ('params["a.b"][1]', "a.b"),
        ("params['x']", "x"),
        ("tasks.a.results.b", None),
    ],
)
def test_the_parameter_of_a_variable_is_found(variable: str, name: str | None) -> None:
    assert parameter_of(variable) == name


def test_objects_are_walked_and_names_are_not_touched() -> None:
    step = Step(name="s", image="$(params.x)", env=(EnvVar(name="$(params.x)", value="$(params.x)"),), timeout="1s")
    assert replace(step, KNOWN) == Step(
        name="s", image="value", env=(EnvVar(name="$(params.x)", value="value"),), timeout="1s"
    )


@given(st.text())
def test_without_replacements_a_text_stays(text: str) -> None:
    assert replace_text(text, Replacements()) == text


@given(st.text(alphabet="ab$() .params"), st.text())
def test_a_text_without_the_variable_stays(text: str, value: str) -> None:
    if "$(params.zz)" not in text:
        assert replace_text(text, Replacements({"params.zz": value})) == text


@given(st.text(alphabet="abc $"), st.text(alphabet="abc $"), st.text())
def test_a_value_is_put_in_byte_for_byte(before: str, after: str, value: str) -> None:
    assert replace_text(f"{before}$(v){after}", Replacements({"v": value})) == before + value + after
