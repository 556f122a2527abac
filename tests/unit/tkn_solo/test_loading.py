"""Reading YAML strictly: scalars as Kubernetes reads them, and errors that name the place."""

from pathlib import Path

import pytest

from tkn_solo.catalog import load
from tkn_solo.decode import decode, encode
from tkn_solo.errors import InputError
from tkn_solo.model import PipelineTask, Task
from tkn_solo.yamltree import documents

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  steps:
    - name: s
      image: i
      command: [x]
"""


def scalar(text: str) -> object:
    (tree,) = documents(f"key: {text}", "f")
    return tree.data()["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("'yes'", "yes"),
        ("12", 12),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("1e3", 1000.0),
        ("n", False),
        ("0o17", 15),
        ("08", 8.0),
        ("017", 15),
        ("1_000", 1000),
        ("'1e3'", "1e3"),
        ("~", None),
        ("1.0", 1.0),
        ("plain text", "plain text"),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(text: str, value: object) -> None:
    assert scalar(text) == value


def test_anchors_and_merge_keys_work() -> None:
    (tree,) = documents("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n", "f")
    assert tree.data()["b"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f:2: the key 'a' stands here twice"),
        ("a: [1\n", "f:2: not valid YAML"),
        ("a: &x [*x]\n", "refers to itself"),
        ("? [1]\n: 2\n", "f:1: a key has to be a string"),
        ("a: .inf\n", "f:1: .inf is no number"),
        ("a: !!binary aGk=\n", "f:1: the YAML tag !!binary is not used"),
    ],
)
def test_bad_yaml_names_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        list(documents(text, "f"))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("command:", "comand:"), "t.yaml:8: spec.steps[0].comand: unknown field 'comand'\n  Did you mean 'command'?"),
        (("image: i", "image: 1"), "t.yaml:7: spec.steps[0].image: expected a string, found a number"),
        (("command: [x]", "command: x"), "t.yaml:8: spec.steps[0].command: expected a list, found a string"),
        (("command: [x]", "ref: {name: a}"), "'ref' is not supported: StepActions are not implemented yet"),
        (
            ("tekton.dev/v1", "tekton.dev/v1beta1"),
            "apiVersion tekton.dev/v1beta1 is not supported; write tekton.dev/v1",
        ),
        (("kind: Task", "kind: Tsk"), "unknown kind 'Tsk'\n  Did you mean 'Task'?"),
        (("kind: Task", "kind: StepAction"), "StepAction is not supported"),
        (("metadata: {name: t}", "metadata: {}"), "missing metadata.name"),
        (("  steps:", "  stepz:"), "Did you mean 'steps'?"),
        (("tekton.dev/v1", "apps/v1"), "is not a Tekton object"),
        (("    - name: s", "    - metadata: s"), "unknown field 'metadata'"),
    ],
)
def test_a_wrong_file_names_the_place_and_the_nearest_word(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(TASK.replace(*change))
    with pytest.raises(InputError) as raised:
        load([str(file)])
    assert message in str(raised.value)


def test_a_folder_is_read_recursively_and_other_kinds_are_passed_over(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "t.yaml").write_text(TASK)
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n# tekton.dev/\n")
    (tmp_path / "template.yaml").write_text("{{ not: yaml }")
    (tmp_path / "notes.txt").write_text("tekton.dev/ but no YAML: [")
    assert list(load([str(tmp_path)]).tasks) == ["t"]


def test_two_objects_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TASK)
    (tmp_path / "b.yaml").write_text(TASK)
    with pytest.raises(InputError, match="a second Task is called 't'; the first is in"):
        load([str(tmp_path)])


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read it"):
        load([str(tmp_path / "absent.yaml")])


def test_encoding_gives_back_what_was_read() -> None:
    (tree,) = documents(TASK, "f")
    assert encode(decode(Task, tree, "")) == tree.data()


def test_an_empty_dir_is_not_lost_in_encoding() -> None:
    text = TASK.replace("spec:\n", "spec:\n  volumes: [{name: v, emptyDir: {}}]\n")
    (tree,) = documents(text, "f")
    assert encode(decode(Task, tree, "")) == tree.data()


def test_a_field_with_a_python_keyword_for_a_name_is_read() -> None:
    text = "name: a\nonError: continue\nrunAfter: [b]\nretries: 2\ntaskRef: {name: t}\n"
    (tree,) = documents(text, "f")
    assert encode(decode(PipelineTask, tree, "")) == tree.data()
