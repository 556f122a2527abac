from collections.abc import Callable
from pathlib import Path

import pytest

from tkn_solo.catalog import Catalog
from tkn_solo.errors import InputError
from tkn_solo.kubernetes import ClaimSource, ConfigMapSource, SecretSource
from tkn_solo.start import pipeline_run

PIPELINE = """
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  params: [{name: s}, {name: l, type: array}, {name: o, type: object, properties: {a: {}, b: {}}}]
  workspaces: [{name: w}]
  tasks: [{name: t, taskRef: {name: t}}]
"""
Load = Callable[[str], Catalog]


def test_params_are_read_as_tkn_reads_them(catalog: Load) -> None:
    run = pipeline_run("p", catalog(PIPELINE), ["s=a,b=c", "l=x,y", "l=z", "o=a:1,b:2"], [])
    assert {param.name: param.value for param in run.spec.params} == {
        "s": "a,b=c",
        "l": ("x", "y", "z"),
        "o": {"a": "1", "b": "2"},
    }
    assert run.metadata.name.startswith("p-run-")


def test_workspaces_are_read_as_tkn_reads_them(catalog: Load, tmp_path: Path) -> None:
    template = tmp_path / "claim.yaml"
    template.write_text("spec: {accessModes: [ReadWriteOnce]}\n")
    objects = catalog(PIPELINE)

    def source(flag: str, field: str) -> object:
        (binding,) = pipeline_run("p", objects, [], [f"name=w,{flag}"]).spec.workspaces
        return getattr(binding, field)

    assert source("emptyDir=", "empty_dir") == {}
    assert source("secret=x", "secret") == SecretSource(secret_name="x")  # noqa: S106
    assert source("config=x", "config_map") == ConfigMapSource(name="x")
    assert source("claimName=x,subPath=a/b", "persistent_volume_claim") == ClaimSource(claim_name="x")
    assert source("claimName=x,subPath=a/b", "sub_path") == "a/b"
    expected = {"spec": {"accessModes": ["ReadWriteOnce"]}}
    assert source(f"volumeClaimTemplateFile={template}", "volume_claim_template") == expected


@pytest.mark.parametrize(
    ("name", "params", "workspaces", "message"),
    [
        ("q", [], [], "the Pipeline 'q' is in none of the files"),
        ("p", ["s"], [], "is not NAME=VALUE"),
        ("p", ["zz=1"], [], "the Pipeline has no param 'zz'"),
        ("p", ["o=a"], [], "is not KEY:VALUE"),
        ("p", [], ["name=zz,emptyDir="], "the Pipeline has no workspace 'zz'"),
        ("p", [], ["name=w"], "expected exactly one source"),
        ("p", [], ["name=w,hostPath=/"], "unknown source 'hostPath'"),
        ("p", [], ["name=w,emptyDir"], "is not KEY=VALUE"),
        ("p", [], ["name=w,volumeClaimTemplateFile=/no/such"], "cannot read it"),
    ],
)
def test_bad_flags_are_bad_input(
    name: str, params: list[str], workspaces: list[str], message: str, catalog: Load
) -> None:
    with pytest.raises(InputError) as raised:
        pipeline_run(name, catalog(PIPELINE), params, workspaces)
    assert message in str(raised.value)
