# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of a TrueNAS in every version: made, left alone, repaired, refused by both names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import MARK
from ansible_collections.paranoid.backup.plugins.module_utils._nas.midclt import (
    VERSIONS,
    Api,
    TrueNasError,
    complaint,
    parse_output,
    parse_version,
)
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_kinds import KINDS
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_mounts import LIST, missing_mounts
from ansible_collections.paranoid.backup.plugins.modules.truenas import Thing
from fake_midclt import GIB, SYSTEM, FakeTrueNas, is_at

DAILY = {"minute": "0", "hour": "2"}
COMPOSE = {"services": {"vault": {"image": "debian:12", "volumes": ["/mnt/tank/backup:/srv/backup"]}}}
SAMPLES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dataset": (
        "tank/web1",
        {"refquota": "2G", "quota": 6 * GIB, "compression": "off", "recordsize": "1M", "atime": "OFF"},
        {"quota": 7 * GIB},
    ),
    "snapshot_task": (
        "tank/backup",
        {"recursive": True, "lifetime_value": 2, "lifetime_unit": "WEEK", "naming_schema": "p-%Y-%m-%d_%H-%M"},
        {"lifetime_value": 3},
    ),
    "replication": (
        "offsite",
        {
            "direction": "PUSH",
            "transport": "SSH",
            "source_datasets": ["tank/backup"],
            "target_dataset": "far/backup",
            "recursive": True,
            "auto": True,
            "retention_policy": "NONE",
            "periodic_snapshot_tasks": [1],
        },
        {"periodic_snapshot_tasks": [1, 2]},
    ),
    "scrub": ("tank", {"threshold": 30, "schedule": {"dow": "7"}, "enabled": True}, {"threshold": 20}),
    "cronjob": (
        "paranoid.backup snapshots",
        {"command": "/mnt/tank/nas/run daily", "user": "root", "schedule": DAILY, "stdout": False},
        {"schedule": {"minute": "5", "hour": "2"}},
    ),
    "group": ("borg", {"gid": 5000, "smb": False}, {"smb": True}),
    "user": ("borg", {"full_name": "Borg", "uid": 5000, "group": 3, "smb": False}, {"full_name": "Other"}),
    "app": ("vault", {"custom_compose_config": COMPOSE}, {"custom_compose_config": {"services": {}}}),
    "instance": (
        "vault",
        {"image": "debian/bookworm", "source_type": "IMAGE", "instance_type": "CONTAINER", "autostart": True},
        {"autostart": False},
    ),
    "container": (
        "vault",
        {"pool": "tank", "image": {"name": "debian", "version": "20261101_05:24"}, "autostart": True},
        {"autostart": False},
    ),
    "jail": ("vault", {"release": "13.5-RELEASE", "props": ["boot=on", "vnet=on"]}, {"props": ["boot=off"]}),
}


def there(kind: str, version: str) -> bool:
    """Whether a kind is there, as the fake has it."""
    return is_at(
        version,
        *{"app": ("24.10", "27"), "instance": ("25.04", "25.10"), "container": ("26", "27"), "jail": ("13", "13")}.get(
            kind, ("13", "27")
        ),
    )


PAIRS = [(kind, version) for kind in KINDS for version in VERSIONS if there(kind, version)]
ABSENT = [(kind, version) for kind in KINDS for version in VERSIONS if not there(kind, version)]


def thing(nas: FakeTrueNas, kind: str, name: str, fields: dict[str, Any], mark: str = "") -> Thing:
    return Thing(Api(nas.run, patience=5), kind, name, fields, mark)


def ensure(nas: FakeTrueNas, kind: str, name: str, fields: dict[str, Any], mark: str = "") -> bool:
    """As the module does; return whether something was to do."""
    one = thing(nas, kind, name, fields, mark)
    entry = one.find()
    drift = one.drift(entry)
    one.apply(entry, drift)
    return bool(drift) or entry is None


@pytest.mark.parametrize(("kind", "version"), PAIRS)
def test_made_once_left_alone_and_repaired(kind: str, version: str) -> None:
    nas = FakeTrueNas(version)
    name, fields, other = SAMPLES[kind]
    mark = "client web1" if kind == "dataset" else ""
    assert ensure(nas, kind, name, fields, mark)
    assert not ensure(nas, kind, name, fields, mark), "a second run changes nothing"
    assert ensure(nas, kind, name, {**fields, **other}, mark), "drift"
    assert not ensure(nas, kind, name, {**fields, **other}, mark)
    assert sum(len(entries) for entries in nas.things.values()) == 1
    assert not any(method.endswith((".delete", ".destroy")) for method in nas.calls)


@pytest.mark.parametrize(("kind", "version"), ABSENT)
def test_a_version_without_the_method_is_named_with_it(kind: str, version: str) -> None:
    with pytest.raises(TrueNasError, match=rf"^TrueNAS {version} has no .*{kind}"):
        thing(FakeTrueNas(version), kind, *SAMPLES[kind][:2])


@pytest.mark.parametrize(("kind", "version"), PAIRS)
def test_an_unknown_field_is_named_with_the_version(kind: str, version: str) -> None:
    name, fields, _other = SAMPLES[kind]
    with pytest.raises(TrueNasError, match=f"^TrueNAS {version} knows no field colour of a {kind}"):
        thing(FakeTrueNas(version), kind, name, {**fields, "colour": "red"})


@pytest.mark.parametrize(("kind", "version"), [pair for pair in PAIRS if KINDS[pair[0]].running])
def test_started_and_stopped_once(kind: str, version: str) -> None:
    """The middleware refuses to start what runs, and to stop what does not."""
    nas = FakeTrueNas(version)
    name, fields, _other = SAMPLES[kind]
    ensure(nas, kind, name, fields)
    one = thing(nas, kind, name, fields)
    for wanted in (True, True, False, False, True):
        entry = one.find()
        assert entry
        if one.runs(entry) != wanted:
            one.run(entry, wanted)
        assert one.runs(one.find()) is wanted


@pytest.mark.parametrize(("kind", "version"), [pair for pair in PAIRS if pair[0] in LIST])
def test_a_mount_is_added_once_and_while_it_is_stopped(kind: str, version: str) -> None:
    nas = FakeTrueNas(version)
    name, fields, _other = SAMPLES[kind]
    ensure(nas, kind, name, fields)
    one = thing(nas, kind, name, fields)
    one.have_run(one.find(), True)
    wanted = [("/mnt/tank/backup/web1", "/srv/backup/web1"), ("/mnt/tank/backup/web", "/srv/backup/web")]
    assert missing_mounts(one.api, kind, one.find(), wanted) == wanted
    one.mount(one.find(), wanted[:1])
    assert missing_mounts(one.api, kind, one.find(), wanted) == wanted[1:]
    one.mount(one.have_run(one.find(), True), wanted[1:])
    assert missing_mounts(one.api, kind, one.find(), wanted) == []
    if kind == "jail":
        assert {line[3] for line in nas.things["jail"][0]["fstab"]} == {"rw"}, "its default is read-only"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"scrub"}))
def test_a_name_that_begins_another_is_another(kind: str) -> None:
    version = next(version for pair, version in PAIRS if pair == kind)
    nas = FakeTrueNas(version)
    name, fields, _other = SAMPLES[kind]
    ensure(nas, kind, f"{name}2", fields)
    assert thing(nas, kind, name, fields).find() is None
    assert ensure(nas, kind, name, fields) and not ensure(nas, kind, f"{name}2", fields)


def test_a_job_of_a_run_that_was_killed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the container would be made twice, or be refused because it exists."""
    nas = FakeTrueNas("26")
    api = Api(nas.run, patience=5)
    nas.jobs.append({"id": 7, "method": "container.create", "state": "RUNNING", "result": None, "error": None})

    def finish(seconds: float) -> None:
        ensure(nas, "container", *SAMPLES["container"][:2])
        nas.jobs[0]["state"] = "SUCCESS"

    monkeypatch.setattr("time.sleep", finish)
    api.finish_running("container.create")
    assert not ensure(nas, "container", *SAMPLES["container"][:2])


@pytest.mark.parametrize(
    ("state", "error", "said"), [("FAILED", "[EFAULT] no image", "no image"), ("ABORTED", None, "ABORTED")]
)
def test_a_job_that_failed_says_why(state: str, error: str | None, said: str) -> None:
    nas = FakeTrueNas("25.10")
    nas.jobs.append({"id": 1, "method": "app.create", "state": state, "result": None, "error": error})
    with pytest.raises(TrueNasError, match=f"app[.]create: .*{said}"):
        Api(nas.run).wait("app.create", 1)


def test_a_job_that_is_not_done_in_time() -> None:
    nas = FakeTrueNas("25.10")
    nas.jobs.append({"id": 1, "method": "app.create", "state": "RUNNING"})
    with pytest.raises(TrueNasError, match="job 1 is not done after 0 seconds"):
        Api(nas.run, patience=0).wait("app.create", 1)
    with pytest.raises(TrueNasError, match="no job 2 any more"):
        Api(nas.run).wait("app.create", 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_datasets_of_others_and_lossy_ones_are_refused(version: str) -> None:
    nas = FakeTrueNas(version)
    name, fields, _other = SAMPLES["dataset"]
    ensure(nas, "dataset", name, fields)
    with pytest.raises(TrueNasError, match="was not made for client web1"):
        ensure(nas, "dataset", name, fields, "client web1")
    ensure(nas, "dataset", "tank/web2", fields, "client web2")
    with pytest.raises(TrueNasError, match="was not made for client web1"):
        ensure(nas, "dataset", "tank/web2", fields, "client web1")
    nas.things["pool.dataset"][1]["sync"] = {"value": "DISABLED", "source": "INHERITED"}
    with pytest.raises(TrueNasError, match=r"sync=DISABLED .*inherited.*: a power cut"):
        ensure(nas, "dataset", "tank/web2", fields, "client web2")
    for wrong, said in [({"sync": "disabled"}, "power cut"), ({"quota": "100M"}, "1 GiB")]:
        with pytest.raises(TrueNasError, match=said):
            thing(nas, "dataset", name, wrong)


def test_the_mark_is_a_comment_where_there_are_no_user_properties() -> None:
    for version, name in (("13", "comments"), ("25.10", "user_properties")):
        nas = FakeTrueNas(version)
        ensure(nas, "dataset", "tank/web1", {}, "client web1")
        entry = nas.things["pool.dataset"][0]
        found = entry["comments"] if name == "comments" else entry["user_properties"][MARK]
        assert found["value"] == "client web1"


def test_a_scrub_of_a_pool_that_is_not_there() -> None:
    with pytest.raises(TrueNasError, match="there is no pool nosuch"):
        ensure(FakeTrueNas("26"), "scrub", "nosuch", {"threshold": 30})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        *((text, version) for version, text in SYSTEM.items()),
        ("FreeNAS-11.3-U5", ""),
        ("TrueNAS-28.0.0", ""),
        ("", ""),
        ("TrueNAS-25.07.0", ""),
        ("TrueNAS-13.0-U6.8", "13"),
        ("26.0.0-BETA.1", "26"),
    ],
)
def test_versions(text: str, version: str) -> None:
    if version:
        assert parse_version(text) == version
    else:
        with pytest.raises(TrueNasError, match=r"no version that is known here: these are 13, 24[.]10"):
            parse_version(text)


PRINTED: dict[str, Any] = {
    "True\n": True,
    "False": False,
    "17\n": 17,
    "null": None,
    "": None,
    '[{"id": 1}]': [{"id": 1}],
}
PRINTED |= {"TrueNAS-13.3-U1.2\n": "TrueNAS-13.3-U1.2", "[not json": "[not json"}


@pytest.mark.parametrize(("text", "value"), PRINTED.items())
def test_what_midclt_prints(text: str, value: Any) -> None:
    assert parse_output(text) == value


def test_every_argument_is_json() -> None:
    """midclt takes what is no JSON for a bare string, and a client that is called 123 for a number."""
    seen: list[list[str]] = []

    def run(argv: Any) -> tuple[int, str, str]:
        seen.append(list(argv))
        return 0, "TrueNAS-26.0.0", ""

    Api(run).call("x.query", [["name", "=", "123"]], True)
    assert [json.loads(one) for one in seen[1][3:]] == [[["name", "=", "123"]], True]


def test_the_reason_is_the_last_line_of_a_traceback() -> None:
    assert complaint("Traceback:\n  File x\n[EINVAL] a.b: wrong\n\n", "") == "[EINVAL] a.b: wrong"
    assert complaint("", "") == "it failed and said nothing"
