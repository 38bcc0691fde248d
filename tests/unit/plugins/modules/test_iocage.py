# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A jail by iocage, against a strict fake of it: made, left alone, repaired, refused, and nothing else touched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.iocage import Iocage, make_inside
from ansible_collections.paranoid.backup.plugins.module_utils._nas.jail import (
    JailError,
    Plan,
    canonical,
    check_version,
    find_row,
    parse_fstab,
    parse_live,
    parse_properties,
    parse_rows,
)
from ansible_collections.paranoid.backup.plugins.modules import iocage
from ansible_collections.paranoid.backup.plugins.modules.iocage import diff, ensure, parse, state
from fake_iocage import FakeIocage
from module_call import call
from tool import ROOT

RELEASE = "14.3-RELEASE"


@pytest.fixture(params=[False, True], ids=["tabs", "table"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> FakeIocage:
    """A host whose iocage prints tabs, or tables where it should not."""
    (tmp_path / "srv/web1").mkdir(parents=True)
    return FakeIocage(str(tmp_path / "iocage"), table=request.param)


def wanted(host: FakeIocage, **changed: Any) -> dict[str, Any]:
    """What a role asks for."""
    mounts = [{"source": str(Path(host.top).parent / "srv/web1"), "target": "/srv/backup/web1"}]
    properties = ["boot=on", "vnet=yes", "ip4_addr=vnet0|10.0.0.5/24", "exec_stop=/bin/sh /etc/rc.shutdown"]
    asked = {"name": "vault", "release": RELEASE, "pool": "", "properties": properties, "mounts": mounts}
    return {**asked, "packages": ["python3"], **changed}


def run(host: FakeIocage, dry: bool = False, **changed: Any) -> Plan:
    """As the module does; every look of iocage's is through a new object, as after a restart."""
    asked = wanted(host, **changed)
    return ensure(Iocage(host.run), parse(asked), asked["pool"], dry)


def refusal(host: FakeIocage, **changed: Any) -> str:
    """What the module says of what it cannot do, in one line."""
    with pytest.raises(JailError) as caught:
        run(host, **changed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changing(host: FakeIocage) -> list[str]:
    """The verbs of calls that change something, and forget them."""
    looks = ("list", "get", "--version")
    calls = [call for call in host.calls if call[0] == "iocage" and call[1] not in looks and "-l" not in call]
    found = [call[1] for call in calls if call[1] != "exec" or "install" in call]
    host.calls.clear()
    return found


def test_a_jail_is_made_once(host: FakeIocage) -> None:
    plan = run(host, dry=True)
    assert changing(host) == [] and plan.fetch and plan.create and host.jails == {}, "check mode only looks"
    assert diff(plan)["after"]["boot"] == "on" and diff(plan)["before"] == {}
    assert not run(host).is_nothing
    assert changing(host) == ["fetch", "create", "stop", "fstab", "start", "exec"]
    jail = host.jails["vault"]
    assert jail["state"] == "up" and len(jail["live"]) == 1 and jail["packages"] == ["pkg", "python3"]
    assert jail["properties"]["boot"] == "1" and jail["properties"]["notes"] == "none"
    assert state(Iocage(host.run), "vault") == "up"
    assert run(host).is_nothing and changing(host) == []


def test_what_drifted_is_repaired_and_nothing_else(host: FakeIocage) -> None:
    run(host)
    jail = host.jails["vault"]
    jail["properties"].update(ip4_addr="vnet0|10.0.0.6/24", notes="mine")
    changing(host)
    assert run(host, dry=True).properties == {"ip4_addr": ("vnet0|10.0.0.6/24", "vnet0|10.0.0.5/24")}
    assert changing(host) == []
    run(host)
    assert changing(host) == ["stop", "set", "start"] and jail["properties"]["notes"] == "mine"
    jail["packages"].remove("python3")
    run(host)
    assert changing(host) == ["exec"], "no restart for a package"
    jail.update(state="down", live=[])
    run(host)
    assert changing(host) == ["start"]
    jail["live"].clear()
    run(host)
    assert changing(host) == ["stop", "start"], "a mount that is not in force"
    Path(host.top).parent.joinpath("srv/web2").mkdir()
    second = {"source": str(Path(host.top).parent / "srv/web2"), "target": "/srv/web2"}
    run(host, mounts=[*wanted(host)["mounts"], second])
    assert changing(host) == ["stop", "fstab", "start"] and len(jail["live"]) == 2
    assert run(host).is_nothing, "none is taken away"


def test_a_name_that_begins_anothers_is_not_it(host: FakeIocage) -> None:
    run(host, name="vault-test", properties=["boot=off"])
    before = str(host.jails["vault-test"])
    changing(host)
    run(host)
    assert "create" in changing(host) and str(host.jails["vault-test"]) == before
    del host.jails["vault"]
    assert run(host, dry=True).create and state(Iocage(host.run), "vault") == "absent"


def test_what_a_killed_run_left_is_finished_or_named(host: FakeIocage) -> None:
    """The half that exists is a jail without mounts, properties, packages; or one that iocage itself cannot read."""
    host.releases.append(RELEASE)
    host.run(["iocage", "create", "-r", RELEASE, "-n", "vault"])
    changing(host)
    run(host)
    assert changing(host) == ["set", "fstab", "start", "exec"] and run(host).is_nothing
    host.jails["vault"]["state"] = "CORRUPT"
    said = refusal(host)
    assert "vault is CORRUPT" in said and "iocage destroy -f -R vault" in said and changing(host) == []


class Cut(BaseException):
    """The run was killed."""


def run_until(host: FakeIocage, last: int, killed: bool) -> str:
    """Run until so many commands were answered: the run is killed then, or none works any more; what it said of it."""
    answer = host.answer

    def cut(argv: list[str]) -> tuple[int, str, str]:
        if len(host.calls) <= last:
            return answer(argv)
        if killed:
            raise Cut
        return 1, "", "cannot do that now\n"

    host.answer = cut  # type: ignore[method-assign]
    try:
        run(host)
    except (JailError, Cut) as error:
        return str(error) or "killed"
    finally:
        host.answer = answer  # type: ignore[method-assign]
    return ""


@pytest.mark.parametrize("killed", [False, True], ids=["fails", "killed"])
@pytest.mark.parametrize("is_made", [False, True], ids=["made", "repaired"])
def test_a_run_that_ends_at_any_command_is_finished_by_the_next(tmp_path: Path, killed: bool, is_made: bool) -> None:
    """No second jail, no mount that is missing, and one line of what failed."""
    number, last = 0, -1
    while last < number:
        host = FakeIocage(str(tmp_path / f"{number}/iocage"))
        (tmp_path / f"{number}/srv/web1").mkdir(parents=True)
        if is_made:
            run(host)
            host.jails["vault"]["properties"]["ip4_addr"] = "none"
            host.jails["vault"]["fstab"].clear()
        before = len(host.calls)
        said = run_until(host, before + number, killed)
        assert "\n" not in said
        last = number if not said and len(host.calls) <= before + number else last
        run(host)
        (jail,) = host.jails.values()
        assert (jail["state"], len(jail["live"]), len(jail["fstab"])) == ("up", 1, 1)
        assert "python3" in jail["packages"] and run(host).is_nothing
        number += 1 if last < 0 else 0
    assert last > 10


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no network", f"iocage fetch -r {RELEASE}: Max retries exceeded"),
        ("start fails", "iocage start vault: jail: vnet0: interface does not exist"),
        ("mount fails", "is not mounted in jail vault, which was stopped"),
        ("stop fails", "iocage stop vault: + Stopping jail process FAILED"),
    ],
)
def test_exit_codes_are_not_believed_and_the_next_run_goes_on(host: FakeIocage, fault: str, said: str) -> None:
    host.faults = [fault]
    assert said in refusal(host, properties=["boot=on"] if fault == "stop fails" else ["boot=off"])
    assert all(jail["state"] == "down" or fault == "stop fails" for jail in host.jails.values())
    host.faults = []
    assert not run(host).is_nothing and run(host).is_nothing


def test_a_package_or_property_that_does_not_come_is_an_error(host: FakeIocage) -> None:
    run(host)
    host.faults = ["no network", "set has no effect"]
    assert "pkg install nosuch in jail vault: pkg: No SRV record" in refusal(host, packages=["python3", "nosuch"])
    assert refusal(host, properties=["priority=5"]).startswith("iocage set priority=5 vault: priority: old")
    assert "no property colour of jail vault" in refusal(host, properties=["colour=red"])
    host.jails.clear()
    assert "colour is not a valid property" in refusal(host, name="other", properties=["colour=red"])


def test_a_mount_that_iocage_did_not_note_is_an_error(host: FakeIocage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = host.do_fstab

    def lose(words: list[str]) -> tuple[int, str, str]:
        return real(words) if words[0] == "-l" else (0, "", "it was not written")

    monkeypatch.setattr(host, "do_fstab", lose)
    source = wanted(host)["mounts"][0]["source"]
    assert refusal(host) == f"iocage fstab -a vault {source}: it was not written"


def test_a_jail_of_which_nothing_else_is_asked_runs(host: FakeIocage) -> None:
    run(host, properties=[], mounts=[], packages=[])
    assert host.jails["vault"]["state"] == "up"
    assert parse_properties(["exec_start=/bin/sh -c a=b"]) == {"exec_start": "/bin/sh -c a=b"}


def test_mounts_of_others_stay(host: FakeIocage) -> None:
    run(host)
    fstab = host.jails["vault"]["fstab"]
    for number, value in ((0, "/srv/other"), (3, "ro")):
        kept, fstab[0][number] = fstab[0][number], value
        changing(host)
        assert "iocage fstab -r vault 0" in refusal(host) and changing(host) == []
        fstab[0][number] = kept
    nowhere = [{"source": "/nosuch", "target": "/srv/x"}]
    assert "/nosuch is no directory of this host" in refusal(host, mounts=nowhere)


def test_what_the_jails_root_left_leads_nowhere_else(tmp_path: Path) -> None:
    """It owns its own files: a link there would have a directory of the host mounted over, or made."""
    root = tmp_path / "root"
    for link in ("", "a"):
        (root / link).mkdir(parents=True, exist_ok=True)
        place = root / link / "srv"
        place.symlink_to(tmp_path / "host")
        (tmp_path / "host").mkdir(exist_ok=True)
        with pytest.raises(JailError, match="cannot be a mount point"):
            make_inside(str(root), f"/{link}/srv/backup".replace("//", "/"))
        assert os.listdir(tmp_path / "host") == []
    make_inside(str(root), "/b/web1")
    make_inside(str(root), "/b/web1")
    (root / "b/web1/file").write_text("")
    with pytest.raises(JailError, match="would hide"):
        make_inside(str(root), "/b/web1")
    with pytest.raises(JailError, match="cannot be a mount point"):
        make_inside(str(root), "/b/web1/file")


def test_what_it_left_while_it_ran_is_found_before_the_next_start(host: FakeIocage, tmp_path: Path) -> None:
    """A directory above a mount point can be renamed while that is mounted."""
    run(host)
    srv, jail = Path(host.root("vault")) / "srv", host.jails["vault"]
    srv.rename(srv.with_name("old"))
    (tmp_path / "host").mkdir()
    srv.symlink_to(tmp_path / "host")
    jail["properties"]["boot"] = "0"
    assert "cannot be a mount point" in refusal(host)
    assert (jail["state"], os.listdir(tmp_path / "host")) == ("down", [])


def test_a_host_that_is_not_ready_is_told_so(host: FakeIocage) -> None:
    host.pools = {"zroot": "-", "tank": "-"}
    assert "iocage activate POOL" in refusal(host)
    assert run(host, dry=True, pool="tank").create and host.pool() == ""
    assert "iocage activate nosuch: ZFS pool 'nosuch' not found!" in refusal(host, pool="nosuch")
    assert not run(host, pool="tank").is_nothing and host.pool() == "tank"
    assert "keeps its jails in pool tank, not in zroot" in refusal(host, pool="zroot")
    assert "is 14.3-RELEASE-p2 and should be 15.0-RELEASE" in refusal(host, release="15.0-RELEASE")
    for version in ("0.9.10", "1.1", "1.14", "2.0", "0.0", ""):
        host.version = version
        assert "these are 1.2 to 1.13" in refusal(host)
    for version in ("1.2", "1.13", "1.7.1"):
        check_version(f"Version\t{version}")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "-f"}, {"name": "ALL"}, {"name": "default"}, {"name": "a/b"}, {"name": ""}, {"name": "a b"},
        {"release": "latest"}, {"release": "-r"}, {"release": "14.3-RELEASE; x"}, {"properties": ["boot"]},
        {"properties": ["-P=x"]}, {"mounts": [{"source": "/a b", "target": "/x"}]},
        {"mounts": [{"source": "/a", "target": "/../x"}]}, {"mounts": [{"source": "/a", "target": "x"}]},
        {"mounts": [{"source": "/a", "target": "/"}]},
    ],
)  # fmt: skip
def test_what_iocage_would_read_as_something_else_never_reaches_it(host: FakeIocage, changed: dict[str, Any]) -> None:
    assert refusal(host, **changed) and changing(host) == []


def test_what_ansible_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeIocage(str(tmp_path / "iocage"))
    (tmp_path / "srv/web1").mkdir(parents=True)
    words = {"environ_update": {"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}, "path_prefix": "/usr/local/bin"}

    def run_command(_module: Any, argv: list[str], **options: Any) -> tuple[int, str, str]:
        assert options == words
        return host.run(argv)

    def tell(**changed: Any) -> dict[str, Any]:
        told = call(iocage, {**wanted(host), "_ansible_diff": True, **changed}, capsys, monkeypatch)
        told.pop("invocation", None)
        return told

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_words, **_options: "/usr/local/bin/x")
    told = tell(_ansible_check_mode=True)
    assert (told["changed"], told["state"], host.jails, told["diff"]["before"]) == (True, "absent", {}, {})
    after = told["diff"]["after"]
    assert (after["state"], after["vnet"], after["packages"], len(after["mounts"])) == ("up", "yes", ["python3"], 1)
    assert tell(_ansible_diff=False) == {"changed": True, "state": "up"}
    assert tell() == {"changed": False, "state": "up", "diff": {"before": {}, "after": {}}}
    host.jails["vault"]["properties"]["vnet"] = "0"
    assert tell()["diff"] == {"before": {"vnet": "0"}, "after": {"vnet": "yes"}}
    assert tell(release="latest")["failed"] and tell(name="-f")["msg"].startswith("'-f' is no name of a jail")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _number in range(3):
        make_inside(str(tmp_path), "/a/b/c")
    assert len(os.listdir("/proc/self/fd")) == before
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o755


def test_formats() -> None:
    live = "/a /r/b nullfs rw 0 0\n/c /r/d nullfs\n/e /r/f\n/g /rest/h nullfs rw 0 0\n"
    assert parse_live(live, "/r") == {("/a", "/b"), ("/c", "/d")}
    cut = "7\tvault\toff\tup\tjail\n"
    assert find_row(cut, "vault") is None and find_row(f"{cut[:-1]}\t14.3-RELEASE\n", "vault") is not None
    assert [canonical(word) for word in ("on", "True", "no", "0", "vnet0|10.0.0.5/24, x")] == [
        "1", "1", "0", "0", "vnet0|10.0.0.5/24,x",
    ]  # fmt: skip
    assert parse_rows("") == [] and parse_rows("+-+\n| A |\n+=+\n") == []
    old = "0\t/tank/a\t/i/jails/v/root/a\tnullfs\trw\t0\t0 # Added by iocage on 2026-11-26 02:00:00\n"
    old += "1\t/r/bin\t/bin\tnullfs\tro\t0\t0\n"
    assert [(one.source, one.target, one.options) for one in parse_fstab(old, "/i/jails/v/root")] == [
        ("/tank/a", "/a", "rw")
    ]


def test_what_the_page_and_the_role_have_run_in_a_jail(host: FakeIocage) -> None:
    """By strict fakes of sysrc and service: in this order, and no other words."""
    run(host)
    page = (ROOT / "docs/nas.md").read_text()
    words = [line.split() for line in re.findall(r"^(iocage exec .+)$", page, re.MULTILINE)]
    assert [one[4] for one in words] == ["sysrc", "service"]
    assert host.run(words[1])[0] == 1, "not enabled yet"
    assert [host.run(one)[0] for one in words] == [0, 0]
    loaded = yaml.safe_load((ROOT / "roles/backup_client/vars/FreeBSD.yml").read_text())
    assert host.run(["iocage", "exec", "vault", "--", *loaded["__backup_client_reload_sshd"]])[0] == 0
    for wrong in (["sysrc", "sshd_enabled=YES"], ["service", "ssh", "start"], ["service", "sshd", "refresh"]):
        with pytest.raises(AssertionError):
            host.run(["iocage", "exec", "vault", "--", *wrong])


def test_the_roles_start_no_other_program_of_freebsd() -> None:
    """What a task or a variable names beside pkg, pw and service would need a strict fake of its own."""
    files = list((ROOT / "roles").glob("*/vars/FreeBSD.yml"))
    commands = [value for path in files for value in yaml.safe_load(path.read_text()).values() if is_command(value)]
    assert {one[0] for one in commands} == {"pkg", "service"} and len(files) >= 3
    tasks = list((ROOT / "roles").glob("*/tasks/**/*.yml"))
    assert [path for path in tasks if re.search(r"\b(sysrc|rc\.d|rc\.conf)\b", path.read_text())] == []
    assert not list((ROOT / "roles").glob("**/rc.d")), "a script of rc(8) must pass sh -n and shellcheck"


def is_command(value: Any) -> bool:
    """Tell a command's words from a list of packages."""
    return isinstance(value, list) and bool(value) and value[0] in ("pkg", "pw", "service", "sysrc", "env", "/bin/sh")
