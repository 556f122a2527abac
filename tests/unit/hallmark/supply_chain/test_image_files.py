"""Layers as files: what a container would see of them, what nobody may make of them, and what is known of packages."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import itertools
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hallmark.code_gate import advisories
from hallmark.commands import scan_image
from hallmark.documents.rules_code import Licences
from hallmark.documents.rules_scan import Files, ScanVulnerabilities
from hallmark.errors import BadInputError
from hallmark.image_scan import contents, osv, vulnerabilities
from hallmark.image_scan.filesystem import Bounds, FileSystem, below_links, lay_out, lowest, read
from hallmark.image_scan.packages import Package, listed_digests, packages, relevant, wanted
from hallmark.image_scan.vulnerabilities import Known
from hallmark.tools import syft
from hallmark.tools.syft import Artifact, Distribution

from .scanned_images import STATUS, advisory, database, debian, distribution, layer, member

TODAY = datetime.date(2026, 6, 1)
LINK, HARD, FOLDER, DEVICE = b"2", b"1", b"5", b"3"
DEBIAN = Distribution(id="debian", version="12")
SYSTEM = [advisory("X-1", "other", "Debian:12", modified="2026-06-01")]
PYTHON = [advisory("X-2", "other", "PyPI", modified="2026-06-01")]


def seen(folder: Path, *layers: bytes, bounds: Bounds | None = None) -> FileSystem:
    files = []
    for number, data in enumerate(layers):
        files.append(folder / f"layer-{number}")
        files[-1].write_bytes(data)
    (folder / "kept").mkdir()
    return read(files, folder / "kept", wanted, bounds)


def test_a_container_sees_what_later_layers_left(tmp_path: Path) -> None:
    below = layer(
        [
            member("./etc/a", b"1"),
            member("gone/x/y", b"1"),
            member("emptied/old", b"1"),
            member("emptied/sub/old", b"1"),
            member("folder/file", b"1"),
            member("again", b"old"),
        ]
    )
    above = layer(
        [
            member("emptied/new", b"2"),
            member("emptied/.wh..wh..opq"),
            member(".wh.gone"),
            member("folder", type=LINK, linkname="/etc"),
            member("again", b"new"),
            member("hard", type=HARD, linkname="etc/a"),
            member("dev", type=DEVICE),
        ]
    )
    found = seen(tmp_path, gzip.compress(below), above)
    assert sorted(found.root) == ["again", "dev", "emptied/new", "etc/a", "folder", "hard"]
    assert found.root["hard"].content == found.root["etc/a"].content
    assert found.root["again"].content is not None
    assert found.root["again"].content.read_bytes() == b"new"
    assert len(found.entries) == 6 + 7


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([member("../up", b"x")], "leads out of its root"),
        ([member("a/../../up", b"x")], "leads out of its root"),
        ([member("a", type=HARD, linkname="../../etc/shadow")], "leads out of its root"),
        ([member("a", type=HARD, linkname="nowhere")], "a file that is not there"),
        ([member(f"etc/{number}", b"x") for number in range(11)], "more than 10 files"),
        ([member("zeros", b"a" * 70_000)], "hold more than"),
    ],
)
def test_what_a_layer_must_not_hold_ends_the_reading(tmp_path: Path, members: list[Any], words: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInputError, match=words):
        seen(tmp_path / "in", gzip.compress(layer(members)), bounds=Bounds(entries=10, unpacked_bytes=60_000))


def test_contents_that_are_kept_are_bounded_and_a_layer_that_is_cut_is_no_layer(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInputError, match="bytes to be looked at"):
        seen(tmp_path / "in", layer([member("text", b"a" * 9000)]), bounds=Bounds(kept_bytes=8999))
    (tmp_path / "cut").mkdir()
    with pytest.raises(BadInputError, match="damaged"):
        seen(tmp_path / "cut", gzip.compress(layer([member("text", b"a" * 9000)]))[:-20])


def archive(info: tarfile.TarInfo, at: int, field: bytes) -> bytes:
    """An archive of one setuid program in whose header another field stands, and the sum is right."""
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[at : at + len(field)] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + b"x".ljust(512, b"\0") + bytes(1024)


def extended(kind: bytes, record: bytes) -> bytes:
    info, _ = member("extended", record, type=kind)
    return info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")


EVIL = member("su", b"x", mode=0o4755)[0]
PLAIN = archive(EVIL, 257, b"ustar\x0000")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # Go reads mode 4755, tarfile mode 0.
        pytest.param(archive(EVIL, 100, b"\x000004755"), "a number that is none", id="mode"),
        # Go reads on, tarfile takes it for the end.
        pytest.param(archive(EVIL, 100, b"\x81\0\0\0\0\0\x09\xed"), "a number that is none", id="end"),
        pytest.param(PLAIN[:1024] + b"q" * 512 + PLAIN, "a number that is none", id="no header"),
        pytest.param(PLAIN[:1024] + PLAIN[:257] + b"X" + PLAIN[258:], "damaged", id="sum"),
        pytest.param(PLAIN[:1100], "damaged", id="cut"),
        # tarfile reads /usr/bin/su, which may be setuid, Go /su.
        pytest.param(archive(EVIL, 345, b"usr/bin"), "no long names", id="prefix"),
        pytest.param(extended(b"x", b"30 GNU.sparse.name=usr/bin/su\n") + PLAIN, "a sparse file", id="sparse"),
        pytest.param(extended(b"x", b"8 path=\n") + PLAIN, "an empty path", id="empty"),
        pytest.param(extended(b"x", b"9 size= 1\n") + PLAIN, "no plain number", id="number"),
        pytest.param(extended(b"g", b"19 path=usr/bin/su\n") + PLAIN, "of the type b'g'", id="global"),
        pytest.param(
            extended(b"L", b"usr/bin/su\0") + extended(b"x", b"8 path=x\n") + PLAIN, "several extended", id="several"
        ),
        pytest.param(PLAIN + b"x", "behind its end", id="behind"),
    ],
)
def test_a_layer_that_a_container_runtime_would_read_differently_is_refused(
    tmp_path: Path, data: bytes, words: str
) -> None:
    (tmp_path / "plain").mkdir()
    assert [one.file for one in contents.privileged(seen(tmp_path / "plain", PLAIN).root, Files())] == ["su"]
    with pytest.raises(BadInputError, match=words):
        seen(tmp_path, data)


def test_a_layer_is_known_by_the_digest_of_what_is_unpacked(tmp_path: Path) -> None:
    data = layer(debian()) + bytes(20_000)
    found = seen(tmp_path, gzip.compress(data)).diff_ids
    assert found == (f"sha256:{hashlib.sha256(data).hexdigest()}",)
    scan_image._require_layers({"rootfs": {"diff_ids": list(found)}}, found)
    others: list[dict[str, Any]] = [{}, {"diff_ids": []}, {"diff_ids": [*found, *found]}, {"diff_ids": ["sha256:0"]}]
    for other in others:
        with pytest.raises(BadInputError, match="names other layers"):
            scan_image._require_layers({"rootfs": other}, found)


def test_a_name_that_is_no_text_is_told_in_one(tmp_path: Path) -> None:
    found = seen(tmp_path, layer([member("app/\udcff", b"x", mode=0o4755)]))
    assert [one.file for one in contents.privileged(found.root, Files())] == ["app/\\xff"]


def test_a_database_of_packages_beyond_all_measure_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hallmark.image_scan.packages.MAXIMUM_DATABASE", 100)
    found = seen(tmp_path, layer([member("var/lib/dpkg/status", b"x" * 101)]))
    with pytest.raises(BadInputError, match="var/lib/dpkg/status in the image has 101 bytes"):
        relevant(found)


@pytest.mark.parametrize("config", [b"", b"[]", b"{", b'{"config": []}', b'{"config": "x"}'])
def test_a_configuration_that_is_none_is_bad_input(config: bytes) -> None:
    with pytest.raises(BadInputError, match="no configuration that is read here"):
        scan_image._object(scan_image._object(config).get("config") or 0)


def test_only_regular_files_are_laid_out_and_none_of_them_elsewhere(tmp_path: Path) -> None:
    found = seen(
        tmp_path,
        layer(
            [
                *debian(),
                member("etc/link", type=LINK, linkname="/etc/shadow"),
                member("var/lib/dpkg/info", type=LINK, linkname="/etc"),
                member("/etc/absolute", b"x"),
                member("app/text.py", b"x"),
                member("app/program", b"\x7fELF\0", mode=0o755),
                member("app/library.so", b"\x7fELF\0", mode=0o755),
            ]
        ),
    )
    lay_out(relevant(found), tmp_path / "tree")
    assert sorted(
        str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*") if path.is_file()
    ) == [
        "app/program",
        "etc/absolute",
        "etc/passwd",
        "usr/lib/os-release",
        "var/lib/dpkg/status",
    ]
    assert not [path for path in (tmp_path / "tree").rglob("*") if path.is_symlink()]
    (tmp_path / "both").mkdir()
    both = seen(tmp_path / "both", layer([member("etc/a", b"x"), member("etc/a/b", b"x")]))
    with pytest.raises(BadInputError, match="cannot be laid out"):
        lay_out(both.root, tmp_path / "other")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("", "names no user"),
        ("0:0", "starts as root"),
        ("root", "starts as root"),
        ("00", "starts as root"),
        ("nobody", "not in its /etc/passwd"),
        ("model", ""),
        ("twice", "starts as root"),
        ("odd", "starts as root"),
        ("4294967296", "starts as root"),
        ("1001:0", ""),
    ],
)
def test_an_image_that_starts_as_root_or_as_nobody_knows_whom_is_told(tmp_path: Path, user: str, said: str) -> None:
    users = (
        b"root:x:0:0::/root:/bin/sh\nmodel:x:1001:0::/app:\n"
        b"a\x0ctwice:x:1001:0::/:\n twice:x:0:0::/:\nodd:x:zero:0::/:\nodd:x:1001:0::/:\n"
    )
    found = contents.root_user({"config": {"User": user}}, seen(tmp_path, layer([member("etc/passwd", users)])).root)
    assert [said in one.message for one in found] == ([True] if said else [])


def test_rights_are_seen_in_modes_and_in_capabilities(tmp_path: Path) -> None:
    capable = {"SCHILY.xattr.security.capability": "x"}
    found = seen(
        tmp_path,
        layer(
            [
                member("a/group", b"x", mode=0o2755),
                member("a/capable", b"x", mode=0o755, pax_headers=capable),
                member("a/allowed", b"x", mode=0o4755),
                member("plain", b"x"),
                member("a/folder", type=FOLDER, mode=0o2775),
                member("b/open", type=FOLDER, mode=0o777),
                member("b/tmp", type=FOLDER, mode=0o1777),
                member("b/link", type=LINK, linkname="x", mode=0o777),
                member("b/hard", type=HARD, linkname="a/group"),
                member("b/raised", type=HARD, linkname="plain", mode=0o4755),
            ]
        ),
    ).root
    rules = Files.model_validate({"setuid": ["/a/allowed"]})
    assert [one.file for one in contents.privileged(found, rules)] == ["a/capable", "a/group", "b/hard", "b/raised"]
    assert [one.file for one in contents.writable(found, rules)] == ["b/open"]


def test_packages_list_the_digests_of_their_files(tmp_path: Path) -> None:
    sums = member("var/lib/dpkg/info/libssl3.md5sums", b"d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/x\n")
    found = seen(tmp_path, layer([*debian(sums), *distribution("sample", "1.0", docs=b"text")]))
    listed = listed_digests(found)
    assert "d41d8cd98f00b204e9800998ecf8427e" in listed
    assert found.root["usr/lib/python3/site-packages/sample/docs.py"].sha256 in listed
    assert found.root["etc/passwd"].sha256 not in listed


def test_a_package_that_was_removed_is_none(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_bytes(STATUS)
    told = [("libssl3", "3.0.11-1~deb12u2"), ("libgone", "1.0-1")]
    place = "var/lib/dpkg/status"
    artifacts = [Artifact(type="deb", name=name, version=version, purl="", place=place) for name, version in told]
    assert [one.name for one in packages(artifacts, Licences(), tmp_path)] == ["libssl3"]


def test_what_syft_says_is_taken_once_and_nonsense_is_an_error() -> None:
    one = {"type": "deb", "name": "a", "version": "1", "locations": [{"path": "/x"}], "licenses": []}
    found = syft.parse(
        json.dumps({"artifacts": [one, one], "distro": {"id": "debian"}, "descriptor": {"version": "1"}})
    )
    assert [(artifact.name, artifact.place) for artifact in found.artifacts] == [("a", "x")]
    for text in ("", "[]", "{}", '{"artifacts": [1], "descriptor": {"version": "1"}}'):
        with pytest.raises(Exception, match="is not understood"):
            syft.parse(text)


def deb(version: str, name: str = "openssl") -> Package:
    return Package(kind="deb", name=f"lib{name}", version=version, place="status", source=name, source_version=version)


def known(folder: Path, *entries: dict[str, Any], found: list[Package] | None = None, **rules: Any) -> Known:
    asked = ScanVulnerabilities.model_validate_json(json.dumps({"enabled": True, **rules}))
    path = database(folder / "osv", *SYSTEM, *entries)
    return vulnerabilities.look_up(found or [deb("3.0-1")], DEBIAN, path, asked, today=TODAY)


def statuses(found: Known) -> dict[str, str]:
    return {one.id: one.status for one in found.vulnerabilities}


def test_a_range_holds_in_the_order_of_dpkg(tmp_path: Path) -> None:
    """Every pair of these versions, against dpkg itself."""
    versions = ["1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0-1~bpo12+1", "1:0.9-1", "1.0.10-1", "1.0.9-1", "1.0+dfsg-1"]
    for one, other in itertools.combinations(versions, 2):
        entry = osv.load(
            database(tmp_path / f"{one}-{other}", advisory("A-1", "openssl", "Debian:12", other)),
            {osv.Ecosystem(name="Debian:12", of_sources=True): {"openssl"}},
        ).advisories[("Debian:12", "openssl")][0]
        asked = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False)
        assert osv.affects(entry, "deb", one) == (asked.returncode == 0), (one, other)


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "0"}, {"fixed": "2"}, {"introduced": "4"}, {"fixed": "5"}], "3", False),
        ([{"introduced": "0"}, {"fixed": "2"}, {"introduced": "4"}, {"fixed": "5"}], "4", True),
        ([{"fixed": "5"}, {"introduced": "4"}], "4.5", True),
        ([{"introduced": "1"}, {"last_affected": "2"}], "2", True),
        ([{"introduced": "1"}, {"last_affected": "2"}], "2.1", False),
        ([{"introduced": "1"}, {"last_affected": "2"}], "0.9", False),
        ([{"introduced": "0"}, {"limit": "3"}], "3", False),
        ([{"introduced": "2"}, {"fixed": "2"}], "2", True),
    ],
)
def test_events_of_a_range_are_gone_through_in_order(
    tmp_path: Path, events: list[dict[str, str]], version: str, affected: bool
) -> None:
    entry = advisory("A-1", "openssl", "Debian:12", modified="2026-06-01")
    entry["affected"][0]["ranges"][0]["events"] = events
    found = known(tmp_path, entry, found=[deb(f"{version}-0".removesuffix("-0"))])
    assert bool(found.vulnerabilities) == affected


def test_what_is_ignored_unfixed_or_not_severe_does_not_count_if_the_policy_says_so(tmp_path: Path) -> None:
    entries = [
        advisory("A-1", "openssl", "Debian:12", modified="2026-06-01"),
        advisory("A-2", "openssl", "Debian:12", "9", severity="LOW", modified="2026-06-01"),
        advisory("A-3", "openssl", "Debian:12", "9", upstream=["CVE-2026-3"], modified="2026-06-01"),
        advisory("A-4", "openssl", "Debian:12", "9", severity="", modified="2026-06-01"),
        advisory("A-5", "openssl", "Debian:12", "9", withdrawn="2026-06-01T00:00:00Z", modified="2026-06-01"),
    ]
    reason = {"reason": "it is never called here", "expires": "2026-06-01"}
    ignore = [{"id": "CVE-2026-3", "package": "openssl", **reason}, {"id": "A-9", **reason}]
    found = known(tmp_path, *entries, fixedOnly=True, severity="critical", ignore=ignore)
    assert statuses(found) == {"A-1": "below severity", "A-2": "below severity", "A-3": "ignored", "A-4": "refused"}
    assert found.notes == ("A-9 met nothing",)
    found = known(tmp_path, *entries, fixedOnly=True, ignore=[{**ignore[0], "expires": "2026-05-31"}])
    assert statuses(found) == {"A-1": "not fixed", "A-2": "below severity", "A-3": "refused", "A-4": "refused"}
    assert found.notes == ("CVE-2026-3 expired on 2026-05-31",)


def test_what_debian_calls_unimportant_is_low(tmp_path: Path) -> None:
    entry = advisory("A-1", "openssl", "Debian:12", severity="", modified="2026-06-01")
    entry["affected"][0]["ecosystem_specific"] = {"urgency": "unimportant"}
    assert statuses(known(tmp_path, entry)) == {"A-1": "below severity"}


def test_a_zip_is_read_as_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "osv" / "PyPI").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "osv" / "PyPI" / "all.zip", "w") as archive:
        archive.writestr("G-1.json", json.dumps(advisory("G-1", "Skops_X", "PyPI", "2", modified="2026-05-30")))
    skops = Package(kind="pypi", name="skops.x", version="1.0", place="METADATA")
    found = known(tmp_path, found=[skops, deb("1-1")])
    assert statuses(found) == {"G-1": "refused"}
    assert found.newest == datetime.date(2026, 5, 30)
    # check-code is given the same folder.
    assert advisories.load(tmp_path / "osv").total == 1


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "has nothing of PyPI"),
        ([advisory("A-2", "x", "PyPI", modified="2026-05-20")], "of PyPI is of 2026-05-20, 12 days old"),
        ([advisory("A-2", "x", "PyPI", modified="2026-06-09")], "which is to come"),
        ([{"id": "A-2", "affected": []}], "is no advisory in OSV's format"),
        ([{**PYTHON[0], "affected": [{"package": {"name": "a", "ecosystem": "PyPI"}, "ranges": 1}]}], "no advisory"),
    ],
)
def test_a_database_that_cannot_answer_is_no_pass(tmp_path: Path, entries: list[dict[str, Any]], words: str) -> None:
    python = Package(kind="pypi", name="a", version="1.0", place="METADATA")
    with pytest.raises(BadInputError, match=words):
        known(tmp_path, *entries, found=[python, deb("1-1")])


def test_a_kind_of_package_that_nobody_can_look_up_is_an_error_or_left_out_by_the_policy(tmp_path: Path) -> None:
    binary = Package(kind="binary", name="tool", version="1", place="usr/bin/tool")
    with pytest.raises(BadInputError, match="nothing can be looked up of tool 1, a package of the kind binary"):
        known(tmp_path, found=[binary, deb("1-1")])
    assert known(tmp_path, found=[binary, deb("1-1")], leaveOut=["binary"]).left_out == {"binary": 1}
    with pytest.raises(BadInputError, match="no package of the image could be looked up"):
        known(tmp_path, found=[binary], leaveOut=["binary"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vulnerabilities, "MAXIMUM_PACKAGES", 1)
        with pytest.raises(BadInputError, match="has 2 packages, more than the 1"):
            known(tmp_path, found=[binary, deb("1-1")], leaveOut=["binary"])
    with pytest.raises(BadInputError, match="'no-version' is no version"):
        known(tmp_path, advisory("A-1", "openssl", "Debian:12", "9", modified="2026-06-01"), found=[deb("no-version")])


def test_only_the_bases_own_files_may_be_setuid_where_distributions_have_them(tmp_path: Path) -> None:
    """Nothing above the base may bring or change one, unless the policy says so; writing the same once more is none."""
    names = ("su", "passwd", "mount", "wall")
    program = b"\x7fELF of a distribution"
    base = layer([member(f"usr/bin/{name}", program, mode=0o4755) for name in names])
    above = layer(
        [
            member("usr/bin/su", b"\x7fELF of somebody else", mode=0o4755),
            member("usr/bin/passwd", program, mode=0o6755),
            member("usr/bin/mount", program, mode=0o4755),
            member("usr/bin/chsh", program, mode=0o4755),
            member("usr/bin/write", type=HARD, linkname="usr/bin/wall", mode=0o4755),
        ]
    )
    files = seen(tmp_path, base, above)
    found = contents.privileged(files.root, Files(), lowest(files, 1))
    told = [Path(one.file).name for one in found]
    assert told == ["chsh", "passwd", "su", "write"]
    assert found[0].message == "setuid (4755, owner 0), in layer 2, above the base"
    assert len(contents.privileged(files.root, Files(), {})) == 6
    assert contents.privileged(files.root, Files()) == []
    allowed = [f"/usr/bin/{name}" for name in told]
    rules = Files.model_validate({"setuidAboveBase": allowed, "setuid": ["/usr/bin/wall"]})
    assert [one.file for one in contents.privileged(files.root, rules, lowest(files, 1))] == ["usr/bin/mount"]


def test_lists_of_the_systems_packages_that_layers_above_the_base_change_are_told(tmp_path: Path) -> None:
    base = layer(debian(member("var/lib/dpkg/info/libssl3.md5sums", b"x\n"), member("var/lib/dpkg/status.d/one", b"1")))
    above = layer(
        [
            member("usr/lib/os-release", b"ID=debian\nVERSION_ID=99\n"),
            member("var/lib/dpkg/status", STATUS),
            member("var/lib/dpkg/status-old", b"old"),
            member("var/lib/dpkg/status.d", type=FOLDER),
            member("var/lib/dpkg/info/.wh.libssl3.md5sums"),
            member("var/lib/dpkg/info/mine.md5sums", b"x\n"),
            member("lib/apk/db/installed", b"P:apk\n"),
        ]
    )
    files = seen(tmp_path, base, above)
    assert {one.file: one.message for one in contents.changed_lists(files.root, lowest(files, 1))} == {
        "usr/lib/os-release": "was changed in layer 2, above the base",
        "var/lib/dpkg/info/libssl3.md5sums": "was removed above the base",
        "var/lib/dpkg/info/mine.md5sums": "was added in layer 2, above the base",
        "lib/apk/db/installed": "was added in layer 2, above the base",
    }


@pytest.mark.parametrize(
    "change",
    [
        [member("var/lib/dpkg/status", STATUS.replace(b"u2", b"u9"))],
        [member("var/lib/dpkg/status", STATUS, mode=0o666)],
        [member("var/lib/dpkg/status", type=FOLDER)],
        [member("var/lib/dpkg/status", type=LINK, linkname="/opt/status")],
        [member("var/lib/dpkg", type=LINK, linkname="/opt")],
        [member("var/.wh.lib")],
        [member("var/lib/dpkg/.wh..wh..opq"), member("var/lib/dpkg/other", b"")],
    ],
    ids=["changed", "rights", "folder", "link", "linked folder", "removed", "emptied"],
)
def test_no_way_to_change_a_list_of_packages_is_overlooked(tmp_path: Path, change: list[Any]) -> None:
    files = seen(tmp_path, layer(debian()), layer(change))
    assert [one.file for one in contents.changed_lists(files.root, lowest(files, 1))] == ["var/lib/dpkg/status"]
    assert contents.changed_lists(lowest(files, 1), lowest(files, 1)) == []


def test_names_below_links_above_the_base_are_found_and_what_replaces_a_link_is_not(tmp_path: Path) -> None:
    links = [member(name, type=LINK, linkname="/usr/lib") for name in ("lib", "bin", "sbin", "opt/x", "a/b")]
    above = layer(
        [
            member("lib/os-release", b"ID=other\n"),
            member("mine", type=LINK, linkname="var/lib/dpkg"),
            member("mine/status", b""),
            member("bin", type=FOLDER),
            member("bin/tool", b"1"),
            member("opt/.wh.x"),
            member("opt/x/file", b"1"),
            member("a/.wh..wh..opq"),
            member("a/b/file", b"1"),
            member("usr/lib/file", b"1"),
        ]
    )
    files = seen(tmp_path, layer([*links, member("lib/in-the-base", b"1")]), above, layer([member("sbin/x/y", b"1")]))
    assert below_links(files, 1) == ["lib/os-release", "mine/status", "sbin/x/y"]


@pytest.mark.parametrize("marker", ["d/.wh..wh..opq", "d/.wh.x"])
def test_a_marker_hides_no_link_of_its_own_layer_wherever_it_stands(marker: str, tmp_path: Path) -> None:
    link, file = member("d/x", type=LINK, linkname="/etc"), member("d/x/passwd", b"app:x:0:0::/:\n")
    files = seen(tmp_path, layer([member("etc/passwd", b"")]), layer([link, member(marker), file]))
    assert below_links(files, 1) == ["d/x/passwd"]
