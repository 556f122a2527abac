import pytest

from tkn_solo.errors import InputError
from tkn_solo.model import Param, ParamSpec, PropertySpec
from tkn_solo.params import check_given, check_specs, check_usage, declared_type
from tkn_solo.resolve import PIPELINE_CONDITIONS
from tkn_solo.values import Value
from tkn_solo.variables import of_params

OBJECT = ParamSpec(name="o", properties={"a": PropertySpec(), "b": PropertySpec()}, default={"a": "1"})


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (ParamSpec(name="p"), "string"),
        (ParamSpec(name="p", default=("a",)), "array"),
        (ParamSpec(name="p", default={"a": "b"}), "object"),
        (ParamSpec(name="p", properties={"a": PropertySpec()}), "object"),
        (ParamSpec(name="p", type="array"), "array"),
    ],
)
def test_the_type_is_inferred(spec: ParamSpec, kind: str) -> None:
    assert declared_type(spec) == kind


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ParamSpec(name="p", type="number"), "unknown type 'number'"),
        (ParamSpec(name="p", type="array", default="x"), "the default of param 'p' is of type string"),
        (ParamSpec(name="p", type="object"), "declares no properties"),
    ],
)
def test_a_wrong_declaration_is_bad_input(spec: ParamSpec, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_specs((spec,), "here")


@pytest.mark.parametrize(
    ("spec", "given", "condition"),
    [
        (ParamSpec(name="p"), None, "ParameterMissing"),
        (ParamSpec(name="p", type="array"), "x", "ParameterTypeMismatch"),
        (ParamSpec(name="p"), ("x",), "ParameterTypeMismatch"),
        (ParamSpec(name="p", properties={"a": PropertySpec()}), {"b": "1"}, "ObjectParameterMissKeys"),
    ],
)
def test_what_is_given_must_fit(spec: ParamSpec, given: Value | None, condition: str) -> None:
    params = () if given is None else (Param(name="p", value=given),)
    with pytest.raises(InputError) as raised:
        check_given((spec,), params, "here", conditions=PIPELINE_CONDITIONS)
    assert raised.value.condition == condition


def test_extra_params_are_passed_over_and_references_may_become_lists() -> None:
    given = (Param(name="other", value="x"), Param(name="p", value="$(tasks.t.results.r[*])"))
    check_given((ParamSpec(name="p", type="array"),), given, "here", conditions=PIPELINE_CONDITIONS)


def test_a_task_merges_the_default_keys_of_an_object_and_a_pipeline_does_not() -> None:
    given = (Param(name="o", value={"b": "2"}),)
    task = of_params((OBJECT,), given, merge_objects=True)
    pipeline = of_params((OBJECT,), given, merge_objects=False)
    assert task.objects["params.o"] == {"a": "1", "b": "2"}
    assert pipeline.objects["params.o"] == {"b": "2"}
    assert task.strings["params.o.a"] == pipeline.strings["params.o.a"] == "1"


TYPES = {"s": "string", "l": "array", "o": "object", "a.b": "string"}


@pytest.mark.parametrize(
    ("text", "lists", "message"),
    [
        ("$(params.absent)", True, "non-existent variable"),
        ("$(params.l[*])", False, "variable type invalid"),
        ("$(params.o)", False, "variable type invalid"),
        ("x$(params.l[*])", True, "not properly isolated"),
        ("$(params.a.b.c)", True, "only two dot-separated components"),
    ],
)
def test_a_wrong_use_is_bad_input(text: str, lists: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_usage([("args[0]", text, lists)], TYPES, "here")


@pytest.mark.parametrize(
    "text", ["$(params.s)", "$(params.l[0])", "$(params.o.key)", '$(params["a.b"])', "$(other)", "$(params.l[*])"]
)
def test_a_right_use_passes(text: str) -> None:
    check_usage([("args[0]", text, True)], TYPES, "here")
