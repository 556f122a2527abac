import pytest
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.errors import InputError
from tkn_solo.graph import order, parents, result_references
from tkn_solo.model import EmbeddedTask, Param, PipelineTask, PipelineTaskWorkspace, Reference, Sidecar, Step, When


def task(name: str, **fields: object) -> PipelineTask:
    return PipelineTask(name=name, task_ref=Reference(name="t"), **fields)  # type: ignore[arg-type]


REF = "$(tasks.a.results.r)"


@pytest.mark.parametrize(
    "second",
    [
        task("b", run_after=("a",)),
        task("b", params=(Param(name="p", value=REF),)),
        task("b", params=(Param(name="p", value=("x", "$(tasks.a.results.r[*])")),)),
        task("b", params=(Param(name="p", value={"k": "x$(tasks.a.results.r.key)"}),)),
        task("b", when=(When(input=REF, operator="in", values=("x",)),)),
        task("b", when=(When(input="x", operator="in", values=("$(tasks.a.results.r[1])",)),)),
        PipelineTask(name="b", task_spec=EmbeddedTask(steps=(Step(script=f"echo {REF}"),))),
        PipelineTask(name="b", task_spec=EmbeddedTask(sidecars=(Sidecar(image=REF),))),
    ],
)
def test_an_edge_comes_from_run_after_and_from_results(second: PipelineTask) -> None:
    assert parents([second, task("a")]) == {"a": (), "b": ("a",)}


@pytest.mark.parametrize("text", ["$(tasks.a.results['r'])", '$(tasks.a.results["r"])', "$(tasks.a.results.r.s.t)"])
def test_no_edge_comes_from_another_spelling(text: str) -> None:
    assert parents([task("b", params=(Param(name="p", value=text),)), task("a")])["b"] == ()


def test_no_edge_comes_from_display_name_or_sub_path() -> None:
    second = task("b", display_name=REF, workspaces=(PipelineTaskWorkspace(name="w", sub_path=REF),))
    assert parents([second, task("a")])["b"] == ()


def test_a_cycle_is_refused() -> None:
    with pytest.raises(InputError, match='cycle detected; task "a" depends on "b"') as raised:
        parents([task("a", run_after=("b",)), task("b", run_after=("a",))])
    assert raised.value.condition == "PipelineInvalidGraph"


def test_a_parent_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="wasn't present in Pipeline"):
        parents([task("a", run_after=("z",))])


def test_references_are_taken_apart() -> None:
    text = """$(tasks.a.results.r) $(tasks.a.results.x[2]) $(finally.f.results.o.key) $(tasks.a.status)"""
    found = [(ref.task, ref.result, ref.index, ref.key) for ref in result_references(text)]
    assert found == [("a", "r", None, None), ("a", "x", "2", None), ("f", "o", None, "key")]


@st.composite
def edges(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    count = draw(st.integers(min_value=1, max_value=8))
    return {
        f"t{number}": tuple(sorted(draw(st.sets(st.sampled_from([f"t{i}" for i in range(number)])))) if number else [])
        for number in range(count)
    }


@given(edges(), st.randoms())
def test_the_order_puts_parents_first_whatever_the_file_says(graph: dict[str, tuple[str, ...]], random) -> None:
    names = list(graph)
    random.shuffle(names)
    ordered = order({name: graph[name] for name in names})
    assert sorted(ordered) == sorted(graph)
    assert all(ordered.index(above) < ordered.index(name) for name in graph for above in graph[name])
