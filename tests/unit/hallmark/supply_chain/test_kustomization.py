"""The edit of one digest in a kustomization's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hallmark.errors import BadInputError
from hallmark.kustomization import Edited, digest_of, set_digest

OLD = f"sha256:{'0' * 64}"
NEW = f"sha256:{'a' * 64}"
REPOSITORY = "registry.example.com/releases/iris"


def edit(text: str) -> Edited:
    return set_digest(text, name="iris", repository=REPOSITORY, digest=NEW)


def document(entry: str) -> str:
    return f"""\
# Owned by the platform team.
apiVersion: kustomize.config.k8s.io/v1beta1
kind:   Kustomization
resources: [ ../base ]   # odd, but theirs
images:
    # other models
    - name: wine
      digest: {OLD}
{entry}
labels:
- pairs: {{ team: "flowers" }}


"""


def test_only_the_value_of_the_digest_changes() -> None:
    text = document(f"    - digest: {OLD}  # by the pipeline\n      name: iris\n      newName: {REPOSITORY}")
    edited = edit(text)
    assert edited.before == OLD
    head, _, tail = text.rpartition(OLD)
    assert edited.text == head + NEW + tail


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("digest: 'OLD'", "digest: 'NEW'"),
        ('digest: "OLD" # why', 'digest: "NEW" # why'),
        ("digest:", "digest: NEW"),
        ("digest: # none yet", "digest: NEW # none yet"),
        ("digest: null", "digest: NEW"),
        ("newTag: v1\n      digest: OLD", "newTag: v1\n      digest: NEW"),
    ],
)
def test_every_way_to_write_a_digest_is_kept(entry: str, expected: str) -> None:
    start = f"    - name: iris\n      newName: {REPOSITORY}\n      "
    text = document(start + entry.replace("OLD", OLD))
    assert edit(text).text == document(start + expected.replace("NEW", NEW))


@pytest.mark.parametrize("entry", ["", "digest:", f"digest: {OLD}", f"newTag: v1\n      digest: {OLD}"])
def test_without_a_digest_nothing_is_in_production(entry: str) -> None:
    text = document(f"    - name: iris\n      newName: {REPOSITORY}\n      {entry}")
    assert digest_of(text, name="iris", repository=REPOSITORY) is None


@pytest.mark.parametrize("entry", ["newTag: v1", "newTag: v1\n      digest:", 'newTag: ""'])
def test_a_tag_alone_is_never_nothing_in_production(entry: str) -> None:
    text = document(f"    - name: iris\n      newName: {REPOSITORY}\n      {entry}")
    with pytest.raises(BadInputError, match="nobody can tell which image runs") as raised:
        digest_of(text, name="iris", repository=REPOSITORY)
    assert "take newTag away" in raised.value.solution


def test_a_missing_digest_is_added_below_new_name() -> None:
    text = document(f"    - name: iris\n      newName: {REPOSITORY}  # here\n      newTag: v1")
    edited = edit(text)
    assert edited.before is None
    assert edited.text == text.replace("# here\n", f"# here\n      digest: {NEW}\n")


def test_flow_style_is_edited_in_place() -> None:
    start = f"images: [{{name: iris, newName: {REPOSITORY}"
    assert edit(start + f", digest: {OLD}}}]").text == start + f", digest: {NEW}}}]"
    assert edit(start + "}]").text == start + f", digest: {NEW}}}]"


def test_windows_line_ends_and_a_missing_last_newline_are_kept() -> None:
    text = f"images:\r\n- name: iris\r\n  newName: {REPOSITORY}"
    assert edit(f"{text}\r\n  digest: {OLD}").text == f"{text}\r\n  digest: {NEW}"
    assert edit(f"{text}\r\n").text == f"{text}\r\n  digest: {NEW}\r\n"
    assert YAML(typ="safe", pure=True).load(edit(text).text)["images"][0]["digest"] == NEW


def test_the_same_digest_again_changes_nothing() -> None:
    once = edit(document(f"    - name: iris\n      newName: {REPOSITORY}\n      digest: {OLD}")).text
    assert edit(once) == Edited(before=NEW, text=once)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("images: []", "no entry for the image iris"),
        ("", "no entry for the image iris"),
        ("images: {iris: x}", "no entry for the image iris"),
        (f"images: [{{name: iris, digest: '{OLD}'}}]", "has no newName"),
        ("images: [{name: iris, newName: elsewhere}]", "has newName elsewhere"),
        (f"images: [{{name: iris, newName: {REPOSITORY}}}, {{name: iris}}]", "2 entries"),
        ("images: [", "not YAML"),
        ("a: 1\na: 2", "not YAML"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("a: !!python/object:os.system x", "not YAML"),
    ],
)
def test_what_cannot_be_meant_is_bad_input_and_says_what_to_write(text: str, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint) as raised:
        edit(text)
    assert raised.value.solution


@pytest.mark.parametrize(
    "text",
    [
        f"shared: &d {OLD}\nimages:\n- name: iris\n  newName: {REPOSITORY}\n  digest: *d\n",
        f"images:\n- name: iris\n  newName: {REPOSITORY}\n  digest: &d {OLD}\nother: *d\n",
        f"x: &x [{{name: iris, newName: {REPOSITORY}, digest: '{OLD}'}}]\nimages: *x\n",
        f"images:\n- name: iris\n  newName: {REPOSITORY}\n  digest: >-\n    {OLD}\n",
        f"images:\n- name: iris\n  newName: {REPOSITORY}\n  digest: [{OLD}]\n",
    ],
)
def test_a_form_that_cannot_be_edited_alone_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="without changing something else"):
        edit(text)


names = st.text(alphabet="abcdefghij-", min_size=1, max_size=8).filter(lambda name: name != "iris")
comments = st.sampled_from(["", "  # a comment", "   #: {odd}", " # ünï 🌸"])


@given(before=st.lists(st.tuples(names, comments), max_size=4), after=st.lists(st.tuples(names, comments), max_size=4))
def test_all_other_characters_are_kept_whatever_stands_around(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    def entries(others: list[tuple[str, str]]) -> str:
        return "".join(f"- name: {name!r}{comment}\n  digest: {OLD}{comment}\n" for name, comment in others)

    head = f"images:\n{entries(before)}- name: iris\n  newName: {REPOSITORY}\n  digest: "
    tail = f"  # kept\n{entries(after)}"
    assert edit(f"{head}{OLD}{tail}").text == f"{head}{NEW}{tail}"
