"""Independent data that has to be fetched, from real servers, through the commands that the pipeline calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hallmark.documents.policy import policy_digest
from hallmark.documents.rules_inputs import InputRules
from hallmark.errors import BadInputError
from hallmark.files import sha256_file
from hallmark.inputs import kept
from hallmark.inputs.opening import open_input
from services.http import WebServer, content
from services.postgres import Postgres
from services.s3 import S3Server

from ..data_gates.workshop import FEATURES, Workshop
from .desk import Desk

COMMANDS = ("validate-data", "prepare-evaluation")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "workshop").mkdir()
    return Workshop(tmp_path / "workshop")


def name_in_policy(workshop: Workshop, path: str, **rules: object) -> None:
    workshop.rules["data"]["independent"] |= {"path": path, **rules}


def judged(workshop: Workshop) -> dict[str, str]:
    """What the tasks after fetch-data hand over; the validators' own folder is empty for them."""
    (workshop.folder("data") / "independent.csv").unlink()
    runs = {command: workshop.run(command) for command in COMMANDS}
    assert {command: run.exit_code for command, run in runs.items()} == dict.fromkeys(COMMANDS, 0)
    return runs["prepare-evaluation"].results


def test_an_object_is_fetched_once_and_read_without_its_credential(
    workshop: Workshop, bucket: S3Server, tmp_path: Path
) -> None:
    bucket.put("iris", "independent.csv", (workshop.folder("data") / "independent.csv").read_bytes())
    given = workshop.run("prepare-evaluation").results
    name_in_policy(workshop, "s3://iris/independent.csv", s3={"endpoint": bucket.endpoint})
    run = workshop.run("fetch-data", credential=bucket.credential(tmp_path / "key"))
    assert run.exit_code == 0, run.told
    again = judged(workshop)
    for name in ("features-digest", "labels-digest", "independent-data-digest"):
        assert again[name] == given[name]


def test_a_credential_is_used_for_no_other_policy_than_its_owner_lists(
    workshop: Workshop, bucket: S3Server, tmp_path: Path
) -> None:
    """The policy says to whom it is sent: somebody else's would have it sent to a server of theirs."""
    bucket.put("iris", "independent.csv", (workshop.folder("data") / "independent.csv").read_bytes())
    name_in_policy(workshop, "s3://iris/independent.csv", s3={"endpoint": bucket.endpoint})
    credential = bucket.credential(tmp_path / "key")
    workshop.save()
    right = policy_digest(workshop.folder("policy"))
    for listed, said in (
        (f"sha256:{'0' * 64}\n", "is not for the policy"),
        ("", "is not for the policy"),
        (f"{right} iris\n", "is no digest"),
    ):
        (credential / "policies").write_text(listed)
        run = workshop.run("fetch-data", credential=credential)
        assert (run.exit_code, said in run.told) == (2, True), run.told
        assert not list(workshop.folder("fetched").iterdir())
    (credential / "policies").write_text(f"{right}  # iris\n")
    assert workshop.run("fetch-data", credential=credential).exit_code == 0


def test_a_prefix_keeps_its_partitions(workshop: Workshop, bucket: S3Server, tmp_path: Path) -> None:
    rows = workshop.independent
    for part, frame in enumerate((rows.head(30), rows.tail(-30))):
        path = workshop.folder("data") / "parts" / f"part={part}" / "rows.parquet"
        path.parent.mkdir(parents=True)
        frame.write_parquet(path)
        bucket.put("kept", f"parts/part={part}/rows.parquet", path.read_bytes())
    with open_input("parts", base=workshop.folder("data"), what="parts", scratch=tmp_path) as opened:
        name_in_policy(workshop, "s3://kept/parts/", s3={"endpoint": bucket.endpoint}, sha256=opened.digest)
    assert workshop.run("fetch-data", credential=bucket.credential(tmp_path / "key")).exit_code == 0
    assert len(judged(workshop)) > 3


def test_a_table_is_fetched_and_its_digest_is_computed_again_by_each_reader(
    workshop: Workshop, database: Postgres, tmp_path: Path
) -> None:
    columns = ", ".join(f"{name} float8" for name in FEATURES)
    values = ", ".join(f"({', '.join(map(repr, row))})" for row in workshop.independent.rows())
    database.run(f"CREATE TABLE judged ({columns}, species text); INSERT INTO judged VALUES {values};")  # noqa: S608
    login = database.credential(tmp_path / "login")
    sql = {"table": "judged", "orderBy": FEATURES}
    rules = InputRules.model_validate({"sql": sql})
    with open_input(
        database.location, base=tmp_path, what="rows", scratch=tmp_path, rules=rules, credential=login
    ) as opened:
        name_in_policy(workshop, database.location, sql=sql, sha256=opened.digest)
    assert workshop.run("fetch-data", credential=login).exit_code == 0
    assert judged(workshop)["independent-data-digest"] == workshop.rules["data"]["independent"]["sha256"]


def test_other_data_at_the_location_is_refused_and_nothing_of_it_is_kept(workshop: Workshop, web: WebServer) -> None:
    web.answers["/independent.csv"] = [content(b"a,b\n1,2\n")]
    name_in_policy(workshop, web.url("/independent.csv"))
    run = workshop.run("fetch-data")
    assert run.exit_code == 1
    assert run.refused == [f"the independent data {web.url('/independent.csv')}: is the one that the rules name"]
    assert list(workshop.folder("fetched").iterdir()) == []


def test_data_that_was_changed_after_it_was_fetched_is_refused(workshop: Workshop, web: WebServer) -> None:
    web.answers["/independent.csv"] = [content((workshop.folder("data") / "independent.csv").read_bytes())]
    name_in_policy(workshop, web.url("/independent.csv"))
    assert workshop.run("fetch-data").exit_code == 0
    file = workshop.folder("fetched") / "data" / "0"
    file.write_bytes(file.read_bytes().replace(b"setosa", b"virginica"))
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert "differs from policy.yaml's sha256" in run.told
    assert workshop.run("prepare-evaluation").exit_code == 2


def test_data_that_was_not_fetched_is_bad_input(workshop: Workshop) -> None:
    name_in_policy(workshop, "https://data.example.com/independent.csv?signature=hidden")
    for command in COMMANDS:
        run = workshop.run(command)
        assert run.exit_code == 2
        assert "let fetch-data run before" in run.told
        assert "hidden" not in run.report_text


def test_there_is_nothing_to_fetch_of_data_that_is_given(workshop: Workshop) -> None:
    run = workshop.run("fetch-data")
    assert run.exit_code == 2
    assert "lies in the validators' data folder" in run.told


@pytest.mark.parametrize("index", ["", "[]", '{"names": 1}', '{"names": []}', '{"names": ["a", "b"]}'])
def test_a_damaged_index_of_what_was_fetched_is_bad_input(index: str, desk: Desk) -> None:
    desk.write("data/index.json", index.encode())
    opening = kept.open_kept("s3://a/b", desk.base, scratch=desk.scratch, rules=InputRules(), what="the data")
    with pytest.raises(BadInputError, match="was not fetched"), opening:
        pass


def test_a_second_file_beside_the_one_that_has_the_digest_is_not_read(desk: Desk) -> None:
    """Whoever writes to the volume says in the index that there are two files, and that only the first is hashed."""
    right = desk.write("data/0", b"a\n1\n")
    desk.write("data/1", b"a\n2\n")
    index = {"names": ["z.csv", "a.csv"], "several": False, "database": False}
    desk.write("data/index.json", json.dumps(index).encode())
    rules = InputRules(sha256=sha256_file(right))
    for location in ("https://a/b.csv", "s3://a/b.csv", "s3://a/b/"):
        opening = kept.open_kept(location, desk.base, scratch=desk.scratch, rules=rules, what="the data")
        with pytest.raises(BadInputError, match="was not fetched"), opening:
            pass


def test_a_name_in_a_store_does_not_lead_out_of_the_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may be anybody's: here it names an object `../../outside.csv`."""
    desk.write("scratch.csv", b"a\n1\n")

    def fetch(location: str, *, own: Path, **_: object) -> kept.Fetched:
        (own / "s3-0.csv").write_bytes(b"a\n1\n")
        return kept.Fetched(files={"../../outside.csv": own / "s3-0.csv"}, several=True, digests={})

    monkeypatch.setattr(kept, "fetch", fetch)
    target = desk.base / "deep" / "fetched"
    target.mkdir(parents=True)
    kept.keep("s3://a/b/", target, rules=InputRules(), credential=None, what="the data")
    assert sorted(path.name for path in (target / "data").iterdir()) == ["0", "index.json"]
    assert not list(desk.base.glob("**/outside.csv"))
