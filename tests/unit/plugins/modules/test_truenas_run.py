# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module truenas as Ansible runs it, for each kind of server and version, also cut off at each of its calls."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_kinds import actual_value, desired_value
from ansible_collections.paranoid.backup.plugins.modules import truenas
from fake_midclt import FakeTrueNas, Refused, is_at
from module_call import call
from tool import ROOT as CHECKOUT

MOUNTS = [{"source": f"/mnt/tank/backup/{name}", "target": f"/srv/backup/{name}"} for name in ("web1", "web")]
IMAGE = {"name": "debian:trixie", "version": "20261101_05:24"}
SERVICE = {"image": "localhost/vault:1", "volumes": ["/mnt/tank/backup/web1:/srv/backup/web1"]}
SERVERS: dict[str, dict[str, Any]] = {
    "jail": {"release": "13.5-RELEASE", "props": ["boot=on", "vnet=on"]},
    "app": {"custom_compose_config": {"services": {"server": SERVICE}}},
    "instance": {"image": "debian/bookworm", "source_type": "IMAGE", "autostart": True},
    "container": {"pool": "tank", "image": IMAGE, "autostart": True},
}
PLUGINS = {"jail": "jail", "app": "app", "instance": "virt.instance", "container": "container"}
CASES = [
    ("jail", "13"), *(("app", one) for one in ("24.10", "25.04", "25.10", "26", "27")),
    ("instance", "25.04"), ("instance", "25.10"), ("container", "26"), ("container", "27"),
]  # fmt: skip
LOOKS = ("query", "config", "get_jobs", "version", "device_list")
Ensure = Callable[..., dict[str, Any]]


class Cut(BaseException):
    """The run was killed."""


@pytest.fixture
def ensure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ensure:
    """Run the module against a NAS: what it returned, and ``calls`` that it made."""

    def run(nas: FakeTrueNas, kind: str, **options: Any) -> dict[str, Any]:
        def run_command(_module: Any, argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
            return nas.run(argv)

        monkeypatch.setattr(AnsibleModule, "run_command", run_command)
        monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_words, **_options: "/usr/bin/midclt")
        begun = len(nas.calls)
        told = call(truenas, {"kind": kind, "patience": 0, **options}, capsys, monkeypatch)
        return {"failed": False, **told, "calls": nas.calls[begun:]}

    return run


def server(kind: str, **changed: Any) -> dict[str, Any]:
    """As the role has a server run."""
    mounts = MOUNTS if kind != "app" else []
    return {"kind": kind, "name": "vault", "fields": SERVERS[kind], "mounts": mounts, "running": True, **changed}


def changing(told: dict[str, Any]) -> list[str]:
    """The calls that change something."""
    return [
        one for one in told["calls"] if not one.endswith(LOOKS) and not one.startswith("core.") and one != "jail.fstab"
    ]


def entry(nas: FakeTrueNas, kind: str) -> dict[str, Any]:
    (found,) = nas.things[PLUGINS[kind]]
    return found


def stop(nas: FakeTrueNas, kind: str) -> None:
    nas.switch(PLUGINS[kind], entry(nas, kind)["name" if kind == "app" else "id"], False)


def count_mounts(nas: FakeTrueNas, kind: str) -> int:
    """How many mounts it has."""
    if kind == "container":
        return len(nas.things.get("container.device", []))
    return len(entry(nas, kind).get({"jail": "fstab", "instance": "devices", "app": "none"}[kind], []))


@pytest.mark.parametrize(("kind", "version"), CASES)
def test_a_server_is_made_left_alone_and_repaired(kind: str, version: str, ensure: Ensure) -> None:
    nas, plugin = FakeTrueNas(version), PLUGINS[kind]
    asked = ensure(nas, **server(kind), _ansible_check_mode=True, _ansible_diff=True)
    assert (asked["changed"], asked["entry"], changing(asked), nas.things) == (True, None, [], {})
    assert set(asked["diff"]["after"]) == set(SERVERS[kind]) and asked["version"] == version
    made = ensure(nas, **server(kind))
    assert made["changed"] and changing(made)[0] == f"{plugin}.create" and "diff" not in made
    running = made["entry"].get("status", made["entry"].get("state"))
    assert running in ("up", "RUNNING", {"state": "RUNNING"}) and count_mounts(nas, kind) == len(server(kind)["mounts"])
    again = ensure(nas, **server(kind))
    assert (again["changed"], changing(again)) == (False, [])
    stop(nas, kind)
    asked = ensure(nas, **server(kind), _ansible_check_mode=True)
    assert asked["changed"] and changing(asked) == []
    assert changing(ensure(nas, **server(kind))) == [f"{plugin}.start"]
    kept = server(kind, mounts=[], running=None)
    assert not ensure(nas, **kept)["changed"], "no mount is taken away"
    ended = ensure(nas, **server(kind, running=False))
    assert ended["changed"] and changing(ended) == [f"{plugin}.stop"]
    assert not ensure(nas, **server(kind, running=False))["changed"]
    assert not any(one.endswith((".delete", ".destroy", ".remove")) for one in nas.calls)


@pytest.mark.parametrize(("kind", "version"), [one for one in CASES if one[0] != "app"])
def test_a_mount_that_is_missing_comes_and_one_of_others_is_refused(kind: str, version: str, ensure: Ensure) -> None:
    nas = FakeTrueNas(version)
    ensure(nas, **server(kind, mounts=MOUNTS[:1]))
    added = ensure(nas, **server(kind))
    steps = [one.rpartition(".")[2] for one in changing(added)]
    assert steps[0] == "stop" and steps[-1] == "start" and added["calls"].count("jail.fstab") in (0, 2)
    assert count_mounts(nas, kind) == 2 and not ensure(nas, **server(kind))["changed"]
    moved = [{**MOUNTS[0], "source": "/mnt/tank/other"}]
    wrong = ensure(nas, **server(kind, mounts=moved))
    said = (
        "/srv/backup/web1 inside is /mnt/tank/backup/web1 and should be /mnt/tank/other, writable: take that mount away"
    )
    assert (wrong["failed"], wrong["msg"], changing(wrong)) == (True, said, [])
    if kind == "instance":
        entry(nas, kind)["devices"][0]["readonly"] = True
    if kind == "jail":
        entry(nas, kind)["fstab"][0][3] = "ro"
    if kind != "container":
        assert "is /mnt/tank/backup/web1, read-only and should be" in ensure(nas, **server(kind))["msg"]


def cut_at(nas: FakeTrueNas, number: int, how: BaseException) -> Callable[[], None]:
    """Have its numbered call, counted from now, do nothing and end so; return what takes that back."""
    real, left = nas.call, [number]

    def answer(method: str, arguments: list[Any]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise how
        return real(method, arguments)

    nas.call = answer  # type: ignore[method-assign]

    def undo() -> None:
        nas.call = real  # type: ignore[method-assign]

    return undo


GONE = Refused("Failed to run middleware call. Daemon not running?")
CHANGED = Refused("[ENOMETHOD] Method 'x' not found in 'y'")
KILLED = Cut()


@pytest.mark.parametrize(
    ("kind", "version"), [("jail", "13"), ("app", "27"), ("instance", "25.10"), ("container", "26")]
)
@pytest.mark.parametrize("how", [GONE, CHANGED, KILLED], ids=["gone", "changed", "killed"])
def test_a_run_that_ends_at_any_call_is_finished_by_the_next(
    kind: str, version: str, how: BaseException, ensure: Ensure
) -> None:
    """A NAS that goes away, has another API than was known, or a run that is killed: no second server."""
    calls = len(ensure(FakeTrueNas(version), **server(kind))["calls"])
    for number in range(calls):
        nas = FakeTrueNas(version)
        undo = cut_at(nas, number, how)
        if how is KILLED:
            with pytest.raises(Cut):
                ensure(nas, **server(kind))
        else:
            told = ensure(nas, **server(kind))
            assert told["failed"] and "\n" not in told["msg"] and "Traceback" not in told["msg"], told
            assert str(how) in told["msg"] and (how is GONE or " has no method " in told["msg"]), told
        undo()
        assert not ensure(nas, **server(kind))["failed"]
        assert (ensure(nas, **server(kind))["changed"], count_mounts(nas, kind)) == (False, len(server(kind)["mounts"]))
        assert entry(nas, kind)


@pytest.mark.parametrize(("kind", "version"), CASES)
def test_a_create_that_goes_on_is_waited_for(
    kind: str, version: str, ensure: Ensure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a run that was killed, while the NAS still fetches the image: no second one is asked for."""
    nas, plugin = FakeTrueNas(version), PLUGINS[kind]
    method = f"{plugin}.create"
    for state in ("WAITING", "RUNNING"):
        nas.jobs.append({"id": 70 + len(nas.jobs), "method": method, "state": state, "result": None, "error": None})

    def finish(_seconds: float) -> None:
        waiting = [job for job in nas.jobs if job["state"] != "SUCCESS"]
        if len(waiting) == 1:
            ensure_made(nas, kind)
        waiting[0]["state"] = "SUCCESS"

    monkeypatch.setattr("time.sleep", finish)
    told = ensure(nas, **server(kind, patience=60))
    assert not told["failed"] and method not in changing(told), told


def ensure_made(nas: FakeTrueNas, kind: str) -> None:
    name = "app_name" if kind == "app" else "uuid" if kind == "jail" else "name"
    constant = {"custom_app": True} if kind == "app" else {}
    nas.do_create(PLUGINS[kind], {name: "vault", **constant, **SERVERS[kind]})


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("group", {"running": True}, "kind group has no running: leave it out"),
        ("app", {"mounts": MOUNTS}, "kind app has no mounts: leave it out"),
        ("container", {}, "TrueNAS 25.10 has no container.*: a container is for 26 to 27"),
        ("dataset", {"fields": {"sync": "disabled"}}, "sync DISABLED loses at a power cut what was acknowledged"),
        ("dataset", {"fields": {"quota": "much"}}, "'much' is no size"),
        ("snapshot_task", {"fields": {}}, "a snapshot_task is known by its dataset and naming_schema: name them"),
    ],
)
def test_what_nobody_may_ask_for(kind: str, options: dict[str, Any], said: str, ensure: Ensure) -> None:
    told = ensure(FakeTrueNas("25.10"), kind, name="vault", **options)
    assert told["failed"] and said in told["msg"] and changing(told) == []


def test_what_it_is_now_comes_back(ensure: Ensure) -> None:
    nas = FakeTrueNas("26")
    made = ensure(nas, "dataset", name="tank/web1")
    assert made["changed"] and made["entry"]["id"] == "tank/web1", "nothing to compare, and made all the same"
    changed = ensure(nas, "dataset", name="tank/web1", fields={"atime": "off"}, _ansible_diff=True)
    assert changed["entry"]["atime"]["value"] == "OFF"
    assert changed["diff"] == {"before": {"atime": None}, "after": {"atime": "OFF"}}
    told = ensure(nas, "dataset")
    assert told["failed"] and "missing required arguments: name" in told["msg"]


def test_of_two_tasks_of_a_dataset_the_one_with_the_schema_is_meant(ensure: Ensure) -> None:
    nas = FakeTrueNas("26")
    fields = {"recursive": True, "lifetime_value": 2, "lifetime_unit": "WEEK"}
    for schema in ("a-%Y", "b-%Y"):
        assert ensure(nas, "snapshot_task", name="tank", fields={**fields, "naming_schema": schema})["changed"]
    changed = ensure(nas, "snapshot_task", name="tank", fields={**fields, "naming_schema": "b-%Y", "lifetime_value": 3})
    assert changed["changed"] and [one["lifetime_value"] for one in nas.things["pool.snapshottask"]] == [2, 3]


@pytest.mark.parametrize(
    ("said", "lacks_method"),
    [
        ("[ENOMETHOD] Method 'x' not found in 'y'", True),
        ("Method call failed: y.x was not found", True),
        ("[ENOMETHOD] y: not found", True),
        ("[ENOENT] Dataset tank/x not found", False),
        ("[EINVAL] no such method of compression", False),
        ("[ENOMETHOD] y.x", False),
    ],
)
def test_what_is_not_there_is_the_method_or_something_else(said: str, lacks_method: bool, ensure: Ensure) -> None:
    nas = FakeTrueNas("26")
    cut_at(nas, 1, Refused(said))
    told = ensure(nas, "dataset", name="tank/web1")
    method = "TrueNAS 26 has no method pool.dataset.query: " if lacks_method else "pool.dataset.query: "
    assert told["msg"] == f"{method}{said}"


def test_values_as_they_are_compared() -> None:
    assert desired_value("jail", "props", ["exec_start=/bin/sh -c a=b", "vnet=yes", "allow"]) == {
        "exec_start": "/bin/sh -c a=b", "vnet": "1", "allow": "",
    }  # fmt: skip
    assert (desired_value("dataset", "atime", False), desired_value("dataset", "atime", True)) == ("OFF", "ON")
    assert desired_value("jail", "release", "13.5-RELEASE") == "13.5-RELEASE"
    assert actual_value("dataset", "quota", {"quota": None}, 0) == 0
    assert actual_value("dataset", "comments", {}, "x") is None
    assert actual_value("app", "custom_compose_config", {"custom_compose_config": {"a": 1, "b": 2}}, {"a": 1}) == {
        "a": 1
    }


def test_a_jail_whose_name_begins_as_the_directory_of_its_root(ensure: Ensure) -> None:
    nas = FakeTrueNas("13")
    asked = server("jail", name="rootbox")
    assert ensure(nas, **asked)["changed"] and not ensure(nas, **asked)["changed"] and count_mounts(nas, "jail") == 2
    entry(nas, "jail")["fstab"][0][1] = "/elsewhere"
    told = ensure(nas, **{**asked, "mounts": [{"source": "/mnt/x", "target": "/elsewhere"}]})
    assert told["msg"].startswith("/elsewhere inside is /mnt/tank/backup/web1 and should be /mnt/x")


def test_an_app_of_somebody_else_is_not_overwritten(ensure: Ensure) -> None:
    nas = FakeTrueNas("26")
    theirs = {"custom_compose_config": {"services": {"photos": {"image": "photos:1"}}}}
    ensure(nas, **server("app", fields=theirs))
    told = ensure(nas, **server("app"))
    assert told["failed"] and told["msg"] == "app vault exists, and is of photos: choose another name"
    assert entry(nas, "app")["config"] == theirs["custom_compose_config"]


ROOT = {"id": "tank", "name": "tank", "type": "FILESYSTEM"}


@pytest.mark.parametrize("version", ["13", "24.10", "25.04", "25.10", "26", "27"])
@pytest.mark.parametrize("above", ["tank", "tank/backup"])
def test_a_dataset_that_would_inherit_what_is_lossy_is_not_made(version: str, above: str, ensure: Ensure) -> None:
    """Also in check mode, and when it came to the one above later; one that sets its own is."""
    nas = FakeTrueNas(
        version, {"pool.dataset": [{**ROOT, "id": above, "sync": {"value": "DISABLED", "source": "LOCAL"}}]}
    )
    asked: dict[str, Any] = {"kind": "dataset", "name": "tank/backup/web1", "mark": "client web1"}
    for check in (True, False):
        told = ensure(nas, **asked, fields={"atime": "off"}, _ansible_check_mode=check)
        assert told["failed"] and told["msg"].startswith("tank/backup/web1 has sync=DISABLED (sync is local by "), told
        assert f"by {above})" in told["msg"] and changing(told) == []
    if above == "tank/backup":
        assert ensure(nas, **asked, fields={"sync": "standard"})["changed"]


@pytest.mark.parametrize(
    ("version", "said"), [("13", "set its comment to 'client web1'"), ("25.10", "set paranoid.backup:for")]
)
def test_how_to_give_a_dataset_to_the_role_works_there(version: str, said: str, ensure: Ensure) -> None:
    nas = FakeTrueNas(version)
    ensure(nas, "dataset", name="tank/web1", fields={})
    told = ensure(nas, "dataset", name="tank/web1", fields={}, mark="client web1")
    assert told["msg"].endswith(f"was not made for client web1: choose another, or {said}")


@pytest.mark.parametrize("version", ["13", "24.10", "25.04", "25.10", "26", "27"])
@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"locked": True}, "is locked: unlock it, as nothing would be written into it"),
        ({"readonly": {"value": "ON", "source": "INHERITED"}}, "is read-only: set readonly to OFF"),
    ],
)
def test_a_dataset_into_which_nothing_would_be_written_is_refused(
    version: str, found: dict[str, Any], said: str, ensure: Ensure
) -> None:
    """The server would write into the directory below its place instead, without a snapshot or a bound."""
    nas = FakeTrueNas(version)
    asked: dict[str, Any] = {"kind": "dataset", "name": "tank/web1", "mark": "client web1", "fields": {"atime": "off"}}
    assert ensure(nas, **asked)["changed"]
    nas.things["pool.dataset"][0].update(found)
    told = ensure(nas, **asked)
    assert (told["failed"], told["msg"], changing(told)) == (True, f"tank/web1 {said}", [])
    if "readonly" in found:
        assert ensure(nas, **{**asked, "fields": {"readonly": False}})["changed"], "it is what is to be changed"


@pytest.mark.parametrize("version", ["13", "26"])
def test_a_mark_of_the_dataset_above_is_none_and_what_has_none_can_be_taken_over(version: str, ensure: Ensure) -> None:
    """User properties are inherited, also the one that holds a comment on CORE."""
    nas = FakeTrueNas(version)
    asked: dict[str, Any] = {"kind": "dataset", "name": "tank/web1", "mark": "all clients"}
    assert ensure(nas, **asked)["changed"]
    (entry,) = nas.things["pool.dataset"]
    mark = entry["comments"] if version == "13" else entry["user_properties"]["paranoid.backup:for"]
    mark["source"] = "INHERITED"
    assert "was not made for all clients" in ensure(nas, **asked)["msg"]
    assert not ensure(nas, **asked, adopt=True)["failed"]
    mark |= {"source": "LOCAL", "value": "client other"}
    assert "was not made for all clients" in ensure(nas, **asked, adopt=True)["msg"], "nor what is somebody else's"
    del entry["comments" if version == "13" else "user_properties"]
    assert ensure(nas, **asked, adopt=True)["changed"] if version == "13" else True


@pytest.mark.parametrize(("kind", "version"), [one for one in CASES if one[0] != "app"])
@pytest.mark.parametrize("running", [True, False])
def test_what_was_stopped_for_a_mount_runs_again(kind: str, version: str, running: bool, ensure: Ensure) -> None:
    nas = FakeTrueNas(version)
    ensure(nas, **server(kind, mounts=MOUNTS[:1], running=running))
    ensure(nas, **server(kind, running=None))
    assert count_mounts(nas, kind) == 2
    assert not ensure(nas, **server(kind, running=running))["changed"], "and what did not run does not"


FAULTS = {
    "pool missing": "[ENOENT] pool_dataset_create.name: Pool nosuch not found",
    "read-only": "[EFAULT] Failed to create dataset: cannot create 'tank/web1': pool is read-only",
    "full": "[EFAULT] Failed to create dataset: cannot create 'tank/web1': out of space",
    "below what is used": "[EFAULT] Failed to update dataset: size is less than current used or reserved space",
    "a name that ZFS refuses": "[EINVAL] pool_dataset_create.name: invalid character ' ' in name",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_middleware_refuses_is_told_in_its_words(fault: str, ensure: Ensure) -> None:
    nas = FakeTrueNas("26")
    real = nas.call

    def refuse(method: str, arguments: list[Any]) -> Any:
        if method in ("pool.dataset.create", "pool.dataset.update"):
            nas.calls.append(method)
            raise Refused(FAULTS[fault])
        return real(method, arguments)

    if fault == "below what is used":
        ensure(nas, "dataset", name="tank/web1", fields={"quota": "9G"}, mark="client web1")
    nas.call = refuse  # type: ignore[method-assign]
    told = ensure(nas, "dataset", name="tank/web1", fields={"quota": "2G"}, mark="client web1")
    assert told["failed"] and told["msg"].endswith(FAULTS[fault]) and "\n" not in told["msg"]
    assert len(changing(told)) == 1, "and nothing after it"


def commands_of_page(heading: str) -> list[list[str]]:
    """Words of the commands that docs/nas.md has people type below a heading."""
    page = (CHECKOUT / "docs/nas.md").read_text().partition(f"\n### {heading}")[2].partition("\n### ")[0]
    assert page, heading
    lines = [
        line for block in re.findall(r"^```\n(.+?)^```$", page, re.MULTILINE | re.DOTALL) for line in block.splitlines()
    ]
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize(
    ("heading", "version", "kind"),
    [("CORE 13", "13", "jail"), ("25.10", "25.10", "instance"), ("26", "26", "container")],
)
def test_the_page_leads_from_an_empty_truenas_to_a_server(
    heading: str, version: str, kind: str, ensure: Ensure
) -> None:
    """Every call is one of that version, with arguments that it takes; what people type fits on a screen."""
    nas = FakeTrueNas(version, {"user": [{"id": 1, "username": "root"}]})
    ensure(nas, **server(kind))
    words = commands_of_page(heading)
    others = {one[0] for one in words if one[0] != "midclt"}
    assert others <= {"incus", "apt-get", "mkdir"} and len(words) <= 20
    for one in (one for one in words if one[0] == "midclt"):
        assert one[1] == "call", one
        as_job = one[2] == "-j"
        assert not (as_job and version == "13"), "there it takes a value"
        method, *texts = one[2 + as_job :]
        found = nas.call(
            method, [json.loads(text) if text[:1] in "[{1" else text for text in texts][: 1 if "query" in method else 9]
        )
        assert not as_job or isinstance(found, int), f"{method} is no job"
        assert not method.endswith(".query") or len(found) == 1
    assert nas.things["user"][0]["sshpubkey"].startswith("ssh-ed25519 ")
    assert not ensure(nas, **server(kind, running=None))["changed"], "the role leaves the network's device alone"


def negative(version: str) -> list[tuple[str, list[Any], str]]:
    """Calls that the middleware of a version refuses, by its own models, and why."""
    extra = "not expected|not permitted"
    cases: list[tuple[str, list[Any], str]] = [
        ("pool.dataset.create", [{"name": "tank/a", "quota": 100 << 20}], "Invalid value"),
        ("pool.dataset.create", [{"name": "tank/a", "quota": "2G"}], "Invalid value"),
        ("pool.dataset.create", [{"name": "tank/a", "atime": "off"}], "Invalid value"),
        ("pool.dataset.create", [{"name": "tank/a", "exec": False}], "Invalid value"),
        ("pool.dataset.create", [{"name": "tank/a", "logbias": "LATENCY"}], extra),
        ("pool.dataset.create", [{"name": "tank/a/b"}], "does not exist"),
        ("pool.dataset.create", [{"quota": None}], "Field required"),
        ("pool.dataset.update", ["tank/none", {"atime": "OFF"}], "does not exist"),
        ("cronjob.create", [{"command": "x", "user": "root", "cron_minute": "0"}], extra),
        ("cronjob.create", [{"command": "x", "user": "root", "schedule": {"minute": 0}}], "Invalid value"),
        ("cronjob.create", [{"user": "root"}], "Field required"),
        ("pool.scrub.create", [{"pool": "tank"}], "Invalid value"),
        ("zfs.dataset.create", [{}], "ENOMETHOD"),
        ("jail.destroy", ["vault"], "ENOMETHOD"),
    ]
    old = {"user_properties": [{"key": "a:b", "value": "c"}], "create_ancestors": True}
    cases += [
        ("pool.dataset.create", [{"name": "tank/a", key: one}], extra) for key, one in old.items() if version == "13"
    ]
    instance = {"name": "v", "image": "debian/bookworm"}
    own: dict[str, list[tuple[str, list[Any], str]]] = {
        "13": [("jail.create", [{"uuid": "v", "props": ["boot"]}], "Invalid value")],
        "24.10": [("app.create", [{"app_name": name}], "Invalid value") for name in ("Vault", "1v", "v-", "v" * 41)],
        "25.04": [("virt.instance.create", [{**instance, "memory": 1 << 20}], "Invalid value")],
        "25.10": [("virt.instance.create", [{**instance, "instance_type": "VM"}], "Invalid value")],
        "26": [
            ("container.create", [{"name": "v", "pool": "tank", "image": {"name": "debian"}}], "Invalid value"),
            (
                "container.create",
                [{"name": "v", "pool": "tank", "image": IMAGE, "idmap": {"type": "ISOLATED"}}],
                "Invalid",
            ),
        ],
        "27": [("container.create", [{"name": "v", "image": IMAGE}], "Field required")],
    }
    absent = [("virt.instance.query", "25.04", "25.10"), ("container.query", "26", "27"), ("app.query", "24.10", "27")]
    return [
        *cases,
        *own[version],
        *((name, [], "ENOMETHOD") for name, since, until in absent if not is_at(version, since, until)),
    ]


@pytest.mark.parametrize("version", ["13", "24.10", "25.04", "25.10", "26", "27"])
def test_the_models_refuse_what_the_middleware_would(version: str) -> None:
    for method, arguments, said in negative(version):
        with pytest.raises(Refused, match=said):
            FakeTrueNas(version).call(method, arguments)
