# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh machine compared with the host that burned, and what is done about it."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from paranoid_rebuild.accounts import list_passwords, make_accounts
from paranoid_rebuild.archive import Archives, parse_description
from paranoid_rebuild.comparing import MissingGroup, MissingUser, compare, format_comparison
from paranoid_rebuild.databases import find_missing, has_local_postgresql, list_dumps, restore_databases
from paranoid_rebuild.errors import RebuildError
from paranoid_rebuild.installing import find_unavailable, install
from paranoid_rebuild.leaving_out import list_left_out
from paranoid_rebuild.main import load_config
from paranoid_rebuild.rebuilding import Work, bring_databases, is_needed
from paranoid_rebuild.running import Ended, Runner
from paranoid_rebuild.starting import start, stop
from paranoid_rebuild.state import State
from paranoid_rebuild.succeeding import find_successors


@dataclass(frozen=True)
class Remembering(Runner):
    """Runs nothing; answers by the first words of a command, and remembers."""

    answers: dict[str, Ended] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    def run(self, *argv: str, given: str = "") -> Ended:
        self.ran.append(argv)
        self.given.append(given)
        known = [answer for words, answer in self.answers.items() if " ".join(argv).startswith(words)]
        return known[0] if known else Ended(0, "", "")


def user(name: str, uid: int, gid: int = 100) -> dict[str, Any]:
    return {"name": name, "uid": uid, "gid": gid, "comment": "", "home": f"/home/{name}", "shell": "/bin/sh"}


def group(name: str, gid: int, *members: str) -> dict[str, Any]:
    return {"name": name, "gid": gid, "members": list(members)}


def package(name: str, manual: bool | None = True) -> dict[str, Any]:
    return {"name": name, "version": "1", "architecture": "all", "manual": manual}


OLD: dict[str, Any] = {
    "schema": 1,
    "hostname": "web1",
    "machine": "a" * 32,
    "os": {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian 12"},
    "architecture": "x86_64",
    "package_manager": "dpkg",
    "packages": [package("bash"), package("nginx"), package("libc6", False), package("linux-image-amd64")],
    "unchanged_configuration": ["/etc/nginx/mime.types"],
    "users": [user("root", 0, 0), user("ana", 1000, 1000), user("svc", 101, 103), user("moved", 33)],
    "groups": [group("root", 0), group("ana", 1000), group("svc", 103), group("adm", 4, "ana")],
    "services": ["nginx.service", "ssh.service", "getty@.service", "off.service"],
    "masked": ["off.service"],
    "file_systems": [
        {"path": "/", "device": "/dev/a", "kind": "ext4", "size": 20 * 2**30},
        {"path": "/srv", "device": "/dev/b", "kind": "xfs", "size": 2**40},
    ],
    "postgresql_roles": [],
    "remarks": [],
}


def fresh() -> dict[str, Any]:
    """A machine of the same release, as it was installed."""
    new = copy.deepcopy(OLD)
    new.update(machine="b" * 32, packages=[package("bash")], services=["ssh.service"])
    new.update(users=[user("root", 0, 0), user("moved", 35)], groups=[group("root", 0), group("adm", 4)])
    new["file_systems"] = [{"path": "/", "device": "/dev/v", "kind": "ext4", "size": 10 * 2**30}]
    return new


def test_a_system_lacks_nothing_of_itself() -> None:
    found = compare(OLD, OLD)
    assert not (found.users or found.groups or found.members or found.packages or found.services or found.other_ids)
    assert not found.is_other_release and not found.file_systems and not found.remarks


def test_what_a_fresh_machine_lacks_is_named_and_its_own_is_not() -> None:
    found = compare(OLD, fresh())
    assert [(one.name, one.uid, one.group) for one in found.users] == [("ana", 1000, "ana"), ("svc", 101, "svc")]
    assert [(one.name, one.gid) for one in found.groups] == [("ana", 1000), ("svc", 103)]
    assert found.members == (("ana", "adm"),) and found.packages == ("nginx",)
    assert found.services == found.all_services == ("nginx.service",)
    assert found.other_ids == ("user moved 33 is 35",)
    said = "\n".join(format_comparison(found, ["nginx"]))
    for part in (
        "Debian 12 there, Debian 12 here: the same release",
        "users to make: ana (1000), svc (101)",
        "packages to install: none",
        "packages that cannot be had here: nginx",
        "/ had 20.0 GiB and has 10.0 GiB, /srv (xfs, 1024.0 GiB) is not mounted here",
    ):
        assert part in said, said


def test_an_id_that_somebody_else_has_is_not_taken_from_him() -> None:
    new = fresh()
    new["users"].append(user("other", 1000))
    new["groups"].append(group("other", 103))
    found = compare(OLD, new)
    assert found.users[0] == MissingUser("ana", None, 1000, "ana", "", "/home/ana", "/bin/sh")
    assert found.groups[1] == MissingGroup("svc", None, 103)
    assert "ana (a new id: 1000 is taken)" in "\n".join(format_comparison(found))
    old = copy.deepcopy(OLD)
    old["users"].append(user("twin", 1000))
    assert [one.uid for one in compare(old, fresh()).users] == [1000, 101, None]


def test_another_release_another_architecture_and_another_manager_are_told() -> None:
    new = fresh() | {"os": {"ID": "rocky", "VERSION_ID": "9"}, "architecture": "aarch64", "package_manager": "rpm"}
    found = compare(OLD, new)
    said = "\n".join(format_comparison(found))
    assert found.is_other_release and found.packages == ()
    assert "another release" in said and "architecture: x86_64 there, aarch64 here" in said
    assert "no packages are installed" in said


def test_where_nobody_knows_who_asked_for_a_package_all_are_wanted() -> None:
    old = OLD | {"packages": [package("a", None), package("b", None)]}
    assert compare(old, fresh() | {"packages": [package("b", None)]}).packages == ("a",)


def test_names_from_an_archive_are_no_options_and_nothing_for_a_terminal() -> None:
    old = OLD | {"users": [user("--root=/x", 5)], "groups": [group("a b", 6)], "os": {"PRETTY_NAME": "\x1b[2J"}}
    found = compare(old, fresh())
    assert found.users == () and found.groups == () and "\x1b" not in "\n".join(format_comparison(found))


def test_accounts_get_their_old_numbers_and_passwords_that_are_in_no_argument() -> None:
    runner = Remembering()
    shadow = "root:$y$old:1:0:9:7:::\nana:$y$hash:1:0:9:7:::\nsvc:!:1::::::\nana\n"
    assert make_accounts(compare(OLD, fresh()), runner, shadow) == []
    assert ("groupadd", "--gid", "1000", "ana") in runner.ran
    assert ("groupadd", "--system", "--gid", "103", "svc") in runner.ran
    assert any(argv[:2] == ("useradd", "--no-create-home") and argv[-1] == "ana" for argv in runner.ran)
    assert ("gpasswd", "--add", "ana", "adm") in runner.ran
    assert runner.ran[-1][0] == "chpasswd" and runner.given[-1] == "ana:$y$hash\n"
    assert not any("$y$" in word for argv in runner.ran for word in argv)
    assert list_passwords(shadow, ["root", "svc"]) == ["root:$y$old"]


def test_what_fails_is_named_and_the_rest_goes_on() -> None:
    runner = Remembering(answers={"useradd": Ended(9, "", "useradd: no space\n")})
    failures = make_accounts(compare(OLD, fresh()), runner, "")
    assert len(failures) == 2 and failures[0].startswith("useradd ") and failures[0].endswith("no space")
    assert ("gpasswd", "--add", "ana", "adm") in runner.ran


def test_packages_that_no_source_has_are_known_before_and_others_fail_alone() -> None:
    runner = Remembering(answers={"apt-cache": Ended(0, "nginx\nbash\n", "")})
    assert find_unavailable("dpkg", ["nginx", "old"], runner) == ["old"]
    assert find_unavailable("dpkg", ["nginx"], Remembering()) == [], "without lists nobody knows"
    command = "apt-get -y -q -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef install "
    broken = Remembering(
        answers={f"{command}a b": Ended(100, "", "E: b"), f"{command}b": Ended(100, "", "E: b is odd")}
    )
    assert install("dpkg", ["a", "b"], broken) == ["package b: E: b is odd"]
    assert install("dpkg", [], broken) == []


def test_services_are_stopped_before_and_enabled_after() -> None:
    runner = Remembering(answers={"systemctl --quiet is-active b": Ended(3, "", "")})
    stop(["a.service", "b.service"], runner)
    assert runner.ran[-1] == ("systemctl", "stop", "a.service")
    runner = Remembering(answers={"systemctl enable gone": Ended(1, "", "Unit gone.service does not exist")})
    failures = start(["gone.service", "a.service", "x.target"], runner)
    assert failures == ["service gone.service: Unit gone.service does not exist"]
    assert ("systemctl", "start", "a.service") in runner.ran
    assert ("systemctl", "start", "gone.service") not in runner.ran
    assert ("systemctl", "start", "x.target") not in runner.ran


def test_what_stays_depends_on_release_and_databases() -> None:
    same = list_left_out(["etc/fstab"], "/var/lib/paranoid-backup", {}, ["/etc/a[1]"], False)
    assert {"etc/fstab", "borgmatic", "var/lib/paranoid-backup"} <= set(same)
    assert not {"etc/apt", "etc/a[[]1]", "var/lib/postgresql"} & set(same)
    other = list_left_out([], "/b", {"postgresql_databases": [{"name": "x"}]}, ["/etc/a[1]"], True)
    assert {"etc/apt", "etc/a[[]1]", "var/lib/postgresql"} <= set(other)


RESTORE = ["restore", "--archive", "a"]
SHOP, FAR = "borgmatic/postgresql_databases/localhost/shop", "borgmatic/postgresql_databases/h:5433/far"


def test_databases_come_once_and_root_is_no_superuser_afterwards() -> None:
    roles = ["CREATE ROLE root;", "ALTER ROLE root WITH NOSUPERUSER LOGIN;"]
    done: list[str] = []
    runner = Remembering(answers={f"restore --archive a --replace --database {FAR}": Ended(1, "", "far is away")})
    failures = restore_databases([SHOP, FAR], RESTORE, roles, runner, [], done.append)
    assert failures == [f"database {FAR}: far is away"] and done == [SHOP]
    assert "ALTER ROLE root SUPERUSER;" in runner.given[0] and runner.given[-1] == roles[1]
    again = Remembering()
    restore_databases([SHOP, FAR], RESTORE, roles, again, done, done.append)
    assert [argv for argv in again.ran if argv[0] == "restore"] == [(*RESTORE, "--replace", "--database", FAR)]


def test_a_server_elsewhere_gets_no_roles_of_this_host() -> None:
    runner = Remembering()
    assert restore_databases([FAR], RESTORE, ["CREATE ROLE root;"], runner, [], print, is_local=False) == []
    assert [argv[0] for argv in runner.ran] == ["restore"]
    assert has_local_postgresql({"postgresql_databases": [{"name": "a", "hostname": "h"}, {"name": "b"}]})
    assert not has_local_postgresql(
        {"postgresql_databases": [{"name": "a", "hostname": "h"}], "mariadb_databases": [{}]}
    )


def test_databases_are_those_of_the_archive_and_what_it_lacks_is_named() -> None:
    """By the archive's own list: a name in the configuration may be a pattern, or newer than the archive."""
    said = f"  12.0 MiB  {SHOP}\n     600 B  borgmatic/sqlite_databases/localhost/a  b\nweb1-1: 2 databases\n"
    dumps = list_dumps(RESTORE, Remembering(answers={"restore": Ended(0, said, "")}))
    assert dumps == [SHOP, "borgmatic/sqlite_databases/localhost/a  b"]
    assert list_dumps(RESTORE, Remembering(answers={"restore": Ended(0, "web1-1: 0 databases\n", "")})) == []
    config = {
        "postgresql_databases": [{"name": "sh*"}, {"name": "late"}, {"name": "all", "format": "custom"}],
        "mariadb_databases": [{"name": "shop"}],
        "sqlite_databases": [{"name": "a  b", "path": "/a"}],
    }
    assert find_missing(config, dumps) == [
        "database late: the archive has no dump of it (postgresql_databases)",
        "database shop: the archive has no dump of it (mariadb_databases)",
    ]
    with pytest.raises(RebuildError, match="cannot be listed: the tunnel is gone"):
        list_dumps(RESTORE, Remembering(answers={"restore": Ended(2, "", "the tunnel is gone")}))


def test_a_rebuild_that_was_killed_leaves_root_no_superuser_for_ever() -> None:
    """All databases are there already: what is left is what the killed one could not take back."""
    done, roles = [SHOP], ["ALTER ROLE root WITH NOSUPERUSER LOGIN;"]
    runner = Remembering()
    assert restore_databases([SHOP], RESTORE, roles, runner, done, done.append) == []
    assert runner.given == [roles[0]], "it is taken back, and not given again"
    away = Remembering(answers={"runuser -u postgres -- psql": Ended(2, "", "no server")})
    failures = restore_databases([SHOP], RESTORE, roles, away, done, done.append)
    assert failures == ["PostgreSQL's role root may still be a superuser: no server"]


@pytest.mark.parametrize(
    ("name", "installed", "successor"),
    [
        ("postgresql-15", ["postgresql", "postgresql-common", "postgresql-17"], "postgresql-17"),
        ("postgresql-15", ["postgresql-16", "postgresql-17", "postgresql-9.6"], "postgresql-17"),
        ("postgresql-9.6", ["postgresql-13"], "postgresql-13"),
        ("postgresql-15", ["postgresql-13", "postgresql"], None),
        ("postgresql-client-15", ["postgresql-17"], None),
        ("php8.2-fpm", ["php8.4-fpm", "php8.10-cli"], "php8.4-fpm"),
        ("php8.9-fpm", ["php8.10-fpm"], "php8.10-fpm"),
        ("python3.11-venv", ["python3.13-venv"], "python3.13-venv"),
        ("linux-image-6.1.0-18-amd64", ["linux-image-6.12.0-1-amd64"], None),
        ("linux-image-6.1.0-18-amd64", ["linux-image-6.12.0-18-amd64"], "linux-image-6.12.0-18-amd64"),
        ("lib32gcc-s1", ["lib64gcc-s1"], None),
        ("nginx", ["nginx-light"], None),
        ("tomcat9", ["tomcat10"], "tomcat10"),
    ],
)
def test_a_package_with_a_version_in_its_name_has_a_successor(
    name: str, installed: list[str], successor: str | None
) -> None:
    assert find_successors([name], installed) == ({name: successor} if successor else {})


def test_the_newest_archive_of_another_machine_is_taken() -> None:
    def text(machine: str) -> str:
        return json.dumps(OLD | {"machine": machine * 32})

    borg = "/usr/local/sbin/paranoid-backup-borg"
    answers = {
        f"{borg} list": Ended(0, json.dumps({"archives": [{"name": "one"}, {"name": "two"}, {"name": "three"}]}), ""),
        f"{borg} extract --stdout ::three": Ended(0, text("b"), ""),
        f"{borg} extract --stdout ::two": Ended(0, text("a"), ""),
    }
    archives = Archives(Remembering(answers=answers), "/var/lib/paranoid-backup/system.json")
    assert archives.choose("", "b" * 32)[0] == "two"
    assert archives.choose("three", "b" * 32)[0] == "three"
    assert archives.choose("one", "b" * 32) == ("one", None), "from before there were descriptions"
    with pytest.raises(RebuildError, match="by this very machine"):
        only = {**answers, f"{borg} list": Ended(0, json.dumps({"archives": [{"name": "three"}]}), "")}
        Archives(Remembering(answers=only), "x").choose("", "b" * 32)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(OLD | {"schema": 2}), json.dumps(OLD | {"users": "x"})])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(RebuildError, match="description of the old system"):
        parse_description(text)


def test_a_second_run_knows_what_the_first_did(tmp_path: Path) -> None:
    assert State.load(tmp_path) == State()
    State.load(tmp_path).note(tmp_path, archive="a", has_files=True).note(tmp_path, databases=("x",))
    assert State.load(tmp_path) == State("a", True, ("x",))
    (tmp_path / "rebuild.json").write_text("{")
    with pytest.raises(RebuildError, match="remove it"):
        State.load(tmp_path)


def test_a_second_run_is_needed_until_root_is_no_superuser(tmp_path: Path) -> None:
    work = Work(tmp_path, [SHOP], [], True, "a", OLD, compare(OLD, OLD), (), ())
    state = State("a", True, (SHOP,))
    assert not is_needed(work, state) and is_needed(work, replace(state, is_raised=True))
    away = Remembering(answers={"runuser -u postgres -- psql": Ended(2, "", "no server")})
    assert len(bring_databases(work, state, away)) == 1 and State.load(tmp_path) == replace(state, is_raised=True)
    assert bring_databases(work, State.load(tmp_path), Remembering()) == [] and State.load(tmp_path) == state


def test_a_host_that_is_not_provisioned_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RebuildError, match=r"site\.yml"):
        load_config(tmp_path / "client.json")
