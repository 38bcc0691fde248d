# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh machine compared with the host that burned, and what is done about it."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from paranoid_rebuild import rebuilding, running
from paranoid_rebuild.accounts import list_passwords, make_accounts
from paranoid_rebuild.archive import Archives, parse_description
from paranoid_rebuild.comparing import SHOWN, MissingGroup, MissingUser, compare, format_comparison
from paranoid_rebuild.databases import find_missing, has_local_postgresql, list_dumps, restore_databases
from paranoid_rebuild.errors import RebuildError
from paranoid_rebuild.installing import find_unavailable, install
from paranoid_rebuild.leaving_out import list_left_out
from paranoid_rebuild.main import load_config
from paranoid_rebuild.rebuilding import RESTORE as COMMAND
from paranoid_rebuild.rebuilding import Work, bring_back, bring_databases, is_needed, rebuild
from paranoid_rebuild.running import Ended, Runner
from paranoid_rebuild.starting import is_database, start, stop
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


@pytest.mark.parametrize("code", [2, 3, 107, 137, -9, -15])
def test_what_of_an_archive_was_not_read_to_its_end_is_nothing(code: int) -> None:
    """Borg ends with 1 when there is no such file; killed by a signal it may have said a part."""
    said = Remembering(answers={"/usr/local/sbin/paranoid-backup-borg": Ended(code, "root:$y$old", "it broke")})
    with pytest.raises(RebuildError, match="one cannot be read: it broke"):
        Archives(said, "x").read("one", "etc/shadow")
    none = Remembering(answers={"/usr/local/sbin/paranoid-backup-borg": Ended(1, "", "never matched")})
    assert Archives(none, "x").read("one", "/etc/shadow") == ""
    assert none.ran[0][1:] == ("extract", "--stdout", "::one", "etc/shadow")


def test_an_account_gets_all_that_is_known_of_it_and_no_number_that_is_taken() -> None:
    ordinary = user("ana", 1000, 1000) | {"comment": "Ana", "shell": "/bin/zsh"}
    service = user("svc", 999, 999) | {"home": "", "shell": ""}
    old = OLD | {"users": [ordinary, service], "groups": [group("ana", 1000), group("svc", 999)]}
    new = fresh() | {"users": [user("other", 1000)], "groups": []}
    runner = Remembering()
    assert make_accounts(compare(old, new), runner, "") == []
    homeless = ("--home-dir", "/nonexistent", "--shell", "/bin/sh", "--comment", "")
    home = ("--home-dir", "/home/ana", "--shell", "/bin/zsh", "--comment", "Ana")
    assert runner.ran == [
        ("groupadd", "--gid", "1000", "ana"),
        ("groupadd", "--system", "--gid", "999", "svc"),
        ("useradd", "--no-create-home", "--gid", "ana", *home, "ana"),
        ("useradd", "--no-create-home", "--system", "--uid", "999", "--gid", "svc", *homeless, "svc"),
    ]


def test_a_long_line_says_how_many_more_there_are() -> None:
    names = [package(f"p{number:03}") for number in range(SHOWN + 2)]
    lines = format_comparison(compare(OLD | {"packages": names}, fresh() | {"packages": []}))
    said = next(line for line in lines if line.startswith("packages to install"))
    assert said.endswith(f"p{SHOWN - 1:03} and 2 more")
    lines = format_comparison(compare(OLD | {"packages": names[:SHOWN]}, fresh() | {"packages": []}))
    assert not any("more" in line for line in lines)


@pytest.mark.parametrize(
    ("manager", "has_dnf", "asked", "installs"),
    [
        ("dpkg", False, "apt-cache pkgnames", "apt-get -y"),
        ("pacman", False, "pacman -Slq", "pacman -S --needed --noconfirm"),
        ("pkg", False, "pkg rquery %n", "pkg install -y"),
        ("rpm", True, "dnf -q repoquery", "dnf -y install"),
        ("rpm", False, "", "zypper --non-interactive install"),
    ],
)
def test_each_manager_is_asked_and_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, manager: str, has_dnf: bool, asked: str, installs: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if has_dnf else None)
    runner = Remembering(answers={asked: Ended(0, "a\nb\n", "")} if asked else {})
    assert find_unavailable(manager, ["a", "c"], runner) == (["c"] if asked else []), "where nobody can tell, none"
    assert install(manager, ["a"], runner) == []
    assert " ".join(runner.ran[-1]).startswith(installs) and runner.ran[-1][-1] == "a"
    broken = Remembering(answers={asked or "none": Ended(1, "a\n", "no network")})
    assert find_unavailable(manager, ["c"], broken) == [], "half a list proves nothing"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("postgresql@15-main.service", True), ("mariadb.service", True), ("nginx.service", False), ("ssh.socket", False)],
)
def test_a_database_is_known_by_its_unit(unit: str, expected: bool) -> None:
    assert is_database(unit) is expected


def test_a_program_ends_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Runner().run("sh", "-c", "cat; echo no >&2; exit 3", given="in") == Ended(3, "in", "no\n")
    assert Runner().run("/no/such").code == 127
    monkeypatch.setattr(running, "SECONDS", 0.1)
    late = Runner().run("sleep", "600")
    assert late.code == 124 and "did not end within" in late.reason
    assert Ended(1, "said", "\n").reason == "it ended with 1" and Ended(1, "said\n", "").reason == "said"


FILES = f"{COMMAND} --archive a --leave-out=etc/fstab --all"
LOST = OLD | {"services": ["nginx.service", "postgresql.service"], "packages": [package("nginx"), package("php8.2")]}


def work_of(base_dir: Path, *unavailable: str) -> Work:
    found = compare(LOST, fresh() | {"services": []})
    return Work(base_dir, [SHOP], [], True, "a", LOST, found, unavailable, ["etc/fstab"])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What this machine is; a test may change it."""
    machine = fresh() | {"packages": [package("php8.4")]}
    monkeypatch.setattr(rebuilding, "describe", lambda versions, asker: machine)
    return machine


def test_all_comes_back_in_an_order_in_which_nothing_lacks_what_it_needs(here: dict[str, Any], tmp_path: Path) -> None:
    failed = Ended(0, "nginx.service loaded failed failed\nother.service loaded failed failed\n", "")
    answers = {"systemctl list-units --failed": failed, "systemctl enable nginx": Ended(1, "", "is masked")}
    runner = Remembering(answers=answers)
    failures = bring_back(work_of(tmp_path, "php8.2", "gone"), State(), runner, "ana:$y$hash:1:0:9:7:::\n")
    assert failures == [
        "package gone: this release has none of this name, or its source is not configured",
        "service nginx.service: is masked",
        "service other.service: it has failed, see journalctl -u other.service",
    ]
    ran = [" ".join(argv) for argv in runner.ran]
    order = ["useradd", "chpasswd", "apt-get", "systemctl stop nginx.service postgresql.service", FILES]
    order += ["systemctl start postgresql.service", f"{COMMAND} --archive a --replace", "systemctl enable nginx"]
    places = [next(place for place, line in enumerate(ran) if line.startswith(one)) for one in order]
    assert places == sorted(places)
    assert next(line for line in ran if line.startswith("apt-get")).endswith(" nginx"), "not what cannot be had"
    assert State.load(tmp_path) == State(has_files=True, databases=(SHOP,))


def test_files_that_failed_come_again_and_those_that_came_do_not(here: dict[str, Any], tmp_path: Path) -> None:
    runner = Remembering(answers={FILES: Ended(1, "2 files\n", "/a: full\n/b: full\n")})
    assert bring_back(work_of(tmp_path), State(), runner, "") == ["file /a: full", "file /b: full"]
    assert not State.load(tmp_path).has_files
    again = Remembering()
    assert bring_back(work_of(tmp_path), State.load(tmp_path), again, "") == []
    assert FILES in [" ".join(argv) for argv in again.ran] and State.load(tmp_path).has_files
    third = Remembering()
    assert bring_back(work_of(tmp_path), State.load(tmp_path), third, "") == []
    assert FILES not in [" ".join(argv) for argv in third.ran]


CHANGES = ("useradd", "groupadd", "gpasswd", "apt-get -y", "systemctl enable", "systemctl stop", f"{FILES} ")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: dict[str, Any]) -> tuple[dict[str, Any], Remembering]:
    """A host whose server holds a tunnel open, and a runner that answers for Borg."""
    borg = "/usr/local/sbin/paranoid-backup-borg"
    runner = Remembering(
        answers={
            f"{borg} list": Ended(0, json.dumps({"archives": [{"name": "z"}, {"name": "a"}]}), ""),
            f"{borg} extract --stdout ::a {str(tmp_path)[1:]}/system.json": Ended(0, json.dumps(LOST), ""),
            f"{COMMAND} --archive a --list-databases": Ended(0, "a: 0 databases\n", ""),
        }
    )
    monkeypatch.setattr(rebuilding, "Runner", lambda: runner)
    (tmp_path / "open").touch()
    (tmp_path / "borgmatic.json").write_text("{}")
    config = {"base_dir": str(tmp_path), "config": str(tmp_path / "borgmatic.json"), "rebuild_leave_out": ["etc/fstab"]}
    return config, runner


def test_a_check_tells_and_changes_nothing(
    begun: tuple[dict[str, Any], Remembering], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config, runner = begun
    before = sorted(tmp_path.iterdir())
    assert rebuild(config, "", is_check=True) == 0
    said = capsys.readouterr().out
    assert "rebuild from a\n" in said and "users to make: ana" in said and "left as they are here: etc/fstab" in said
    ran = [" ".join(argv) for argv in runner.ran]
    assert any("--check --all" in line for line in ran) and not [line for line in ran if line.startswith(CHANGES)]
    assert sorted(tmp_path.iterdir()) == before
    runner.answers[f"{COMMAND} --archive a --leave-out"] = Ended(2, "", "the tunnel broke")
    with pytest.raises(RebuildError, match="cannot be compared: the tunnel broke"):
        rebuild(config, "", is_check=True)


def test_a_rebuild_ends_well_only_when_all_is_back(
    begun: tuple[dict[str, Any], Remembering], here: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config, runner = begun
    State("z", has_files=True).note(tmp_path)
    assert rebuild(config, "a", is_check=False) == 0
    assert "all is back" in capsys.readouterr().out and State.load(tmp_path) == State("a", has_files=True)
    assert any(argv[-1] == "--all" for argv in runner.ran), "what came from another archive does not count"
    runner.answers["useradd"] = Ended(9, "", "no space")
    assert rebuild(config, "", is_check=False) == 1, "the one that was begun, by its name"
    assert "could not: useradd" in capsys.readouterr().out
    here.update({name: LOST[name] for name in ("users", "groups", "packages", "services")})
    runner.ran.clear()
    assert rebuild(config, "", is_check=False) == 0 and "everything is there already" in capsys.readouterr().out
    assert not [argv for argv in runner.ran if " ".join(argv).startswith(CHANGES)]


def test_an_archive_without_a_description_brings_files_and_is_not_all(
    begun: tuple[dict[str, Any], Remembering], capsys: pytest.CaptureFixture[str]
) -> None:
    config, runner = begun
    assert rebuild(config, "z", is_check=False) == 1
    said = capsys.readouterr().out
    assert "no description of its system" in said and "saved before archives had descriptions" in said
    assert [argv for argv in runner.ran if argv[:3] == (COMMAND, "--archive", "z") and argv[-1] == "--all"]


def test_without_a_tunnel_nothing_is_begun(begun: tuple[dict[str, Any], Remembering], tmp_path: Path) -> None:
    config, runner = begun
    (tmp_path / "open").unlink()
    with pytest.raises(RebuildError, match=r"open\.yml"):
        rebuild(config, "", is_check=False)
    assert runner.ran == []
