# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learned of a system: strict parsers, and questions that no program can leave hanging."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from paranoid_system import asking, description, services
from paranoid_system.accounts import ID_MAX, User, parse_group, parse_passwd
from paranoid_system.asking import Asker, NoAnswer, read_lines
from paranoid_system.description import describe, machine_digest, parse_os_release, save
from paranoid_system.file_systems import FileSystem, measure, parse_mount_p, parse_mountinfo
from paranoid_system.packages import (
    CONFIG_BYTES_MAX,
    Package,
    list_unchanged,
    md5_of,
    parse_dpkg,
    parse_extended_states,
    parse_pacman,
    parse_pkg,
    parse_rpm,
)
from paranoid_system.services import ask_boot, list_wanted, parse_unit_files


def test_debian_says_what_is_installed_and_what_came_with_others() -> None:
    states = parse_extended_states(["Package: libc6", "Architecture: amd64", "Auto-Installed: 1", "", "Package: vim"])
    lines = ["ii \tnginx\tamd64\t1.22.1-9+deb12u1", "ii \tlibc6\tamd64\t2.36-9", "rc \told\tall\t1"]
    assert parse_dpkg(lines, states) == [
        Package("nginx", "1.22.1-9+deb12u1", "amd64", True),
        Package("libc6", "2.36-9", "amd64", False),
    ]


def test_others_say_it_in_their_own_way() -> None:
    assert parse_rpm(["gpg-pubkey\t1-2\t(none)", "bash\t5.2-1.el9\tx86_64"]) == [
        Package("bash", "5.2-1.el9", "x86_64", None)
    ]
    assert parse_pacman(["linux 6.1.arch1-1", "vim 9:1-1"], ["vim"]) == [
        Package("linux", "6.1.arch1-1", "", False),
        Package("vim", "9:1-1", "", True),
    ]
    assert parse_pkg(["py311-borg\t1.4.0\tFreeBSD:14:amd64\t0"]) == [
        Package("py311-borg", "1.4.0", "FreeBSD:14:amd64", True)
    ]


@pytest.mark.parametrize(
    "line", ["", "ii \tonly", "ii \t--purge\tall\t1", "ii \ta b\tall\t1", "ii \tnginx\tall\t$(id)"]
)
def test_a_line_that_is_no_package_spoils_the_list(line: str) -> None:
    with pytest.raises(NoAnswer, match="is none"):
        parse_dpkg([line], frozenset())


def test_a_configuration_file_that_nobody_changed_is_known() -> None:
    digests = {"/etc/same": "a" * 32, "/etc/changed": "c" * 32}
    lines = [f" /etc/same {'a' * 32}", f" /etc/changed {'b' * 32}", f" /etc/gone {'b' * 32}", "", "nonsense"]
    assert list_unchanged([*lines, f" /etc/same {'a' * 32} obsolete"], lambda path: digests.get(path, "")) == [
        "/etc/same"
    ]


def test_accounts_are_read_and_what_is_none_is_a_remark() -> None:
    users, remarks = parse_passwd(
        ["root:x:0:0:root:/root:/bin/bash", "# x", "+::::::", "r f:x:1:1::/:/bin/sh", "a:x:99999999999:1::/:", "b:x:1"]
    )
    assert users == [User("root", 0, 0, "root", "/root", "/bin/bash")]
    assert len(remarks) == 3 and "'r f'" in remarks[0]
    groups, remarks = parse_group(["adm:x:4:syslog,ana", "bad:x:5:a b"])
    assert [(one.name, one.members) for one in groups] == [("adm", ("syslog", "ana"))] and len(remarks) == 1


def test_units_are_read(tmp_path: Path) -> None:
    lines = ["nginx.service enabled enabled", "", "-x enabled", "a;b.service enabled -", "cups.service masked enabled"]
    assert parse_unit_files(lines, "enabled") == ["nginx.service"]
    assert parse_unit_files(lines, "masked") == ["cups.service"]
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants/cron.service").touch()
    (tmp_path / "not-this").mkdir()
    assert list_wanted(str(tmp_path)) == ["cron.service"]
    with pytest.raises(NoAnswer):
        list_wanted(str(tmp_path / "none"))


def test_only_file_systems_that_keep_something_are_listed() -> None:
    lines = [
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "23 22 0:5 / /proc rw - proc proc rw",
        "24 22 8:2 / /with\\040space rw shared:1 - xfs /dev/sdb rw",
        "25 22 0:40 / /home/eve/m rw - fuse.evil evil rw",
        "nonsense",
    ]
    assert parse_mountinfo(lines) == [
        FileSystem("/", "/dev/sda1", "ext4"),
        FileSystem("/with space", "/dev/sdb", "xfs"),
    ]
    assert parse_mount_p(["zroot/x\t/\tzfs\trw 0 0", "devfs /dev devfs rw 0 0"]) == [FileSystem("/", "zroot/x", "zfs")]


def test_the_release_is_read() -> None:
    assert parse_os_release(["ID=debian", 'VERSION_ID="12"', "HOME_URL=x", "junk"]) == {
        "ID": "debian",
        "VERSION_ID": "12",
    }


def test_a_program_that_hangs_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS_EACH", 0.3)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="did not end"):
        Asker().ask(["sh", "-c", "sleep 600 & sleep 600"])
    assert time.monotonic() - began < 60


def test_a_program_that_prints_without_end_fails_or_is_not_there_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BYTES_MAX", 100_000)
    for argv, why in ((["yes"], "more than"), (["false"], "ended with 1"), (["/no/such"], "cannot be run")):
        with pytest.raises(NoAnswer, match=why):
            Asker().ask(argv)
    with pytest.raises(NoAnswer, match="more than"):
        read_lines("/dev/zero")


def test_when_nobody_waits_any_more_nothing_is_asked() -> None:
    with pytest.raises(NoAnswer):
        Asker(lambda: True).ask(["sleep", "600"])


def test_what_cannot_be_learned_is_a_remark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(description, "find_manager", lambda: "")
    monkeypatch.setattr(description, "list_file_systems", lambda asker: read_lines(str(tmp_path / "gone")))
    found = describe({"borg": "1.4.5", "borgmatic": "2.1.10"}, Asker(lambda: True))
    assert found["schema"] == 1 and found["users"] and found["versions"]["borg"] == "1.4.5"
    assert found["packages"] == [] and any("no package manager" in line for line in found["remarks"])
    assert any("gone cannot be read" in line for line in found["remarks"])


def test_the_file_is_roots_alone_and_stays_untouched_while_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    save(path, {"schema": 1})
    first = path.stat()
    assert stat.S_IMODE(first.st_mode) == 0o600 and json.loads(path.read_text()) == {"schema": 1}
    save(path, {"schema": 1})
    assert path.stat().st_ino == first.st_ino and path.stat().st_mtime_ns == first.st_mtime_ns
    (tmp_path / "system.new").write_text("what one that was killed has left")
    save(path, {"schema": 1, "os": {}})
    assert json.loads(path.read_text())["os"] == {}


def test_a_description_without_end_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(description, "BYTES_MAX", 10)
    with pytest.raises(OSError, match="would have"):
        save(tmp_path / "system.json", {"remarks": ["x" * 100]})


class Answering(Asker):
    """Answers by the first word of a command; what it does not know has no answer."""

    def __init__(self, **answers: list[str]) -> None:
        super().__init__()
        self._answers = answers

    def ask(self, argv: Sequence[str]) -> list[str]:
        if argv[0] not in self._answers:
            raise NoAnswer(f"{argv[0]} is away")
        return self._answers[argv[0]]


@pytest.mark.parametrize(
    ("answers", "is_freebsd", "expected"),
    [
        ({"systemctl": ["a.service enabled -", "b.service masked -"]}, False, (["a.service"], ["b.service"])),
        ({"systemctl": ["a.service enabled", "torn.service"]}, False, (["a.service"], [])),
        ({}, False, (["cron.service"], [])),
        ({"service": ["/etc/rc.d/sshd", " /usr/local/etc/rc.d/nginx"]}, True, (["nginx", "sshd"], [])),
    ],
    ids=["systemd", "an older systemd", "systemd is away", "FreeBSD"],
)
def test_what_starts_at_boot_is_asked_of_whoever_knows(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answers: dict[str, list[str]],
    is_freebsd: bool,
    expected: tuple[list[str], list[str]],
) -> None:
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants/cron.service").touch()
    monkeypatch.setattr(services, "_WANTED", str(tmp_path))
    monkeypatch.setattr(os.path, "exists", lambda path: is_freebsd)
    assert ask_boot(Answering(**answers)) == expected


@pytest.mark.parametrize(
    ("files", "known"),
    [
        ({"/etc/machine-id": ["abc"]}, "abc"),
        ({"/etc/machine-id": [" "], "/etc/hostid": ["def"]}, "def"),
        ({"/etc/machine-id": [], "/etc/hostid": ["def"]}, "def"),
        ({"/etc/hostid": ["def", "more"]}, "def"),
        ({}, ""),
    ],
)
def test_a_machine_is_told_from_another_and_its_id_from_nobody(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, list[str]], known: str
) -> None:
    """What is empty names no machine: else every image without an id would be this very one."""

    def read(path: str) -> list[str]:
        if path not in files:
            raise NoAnswer(path)
        return files[path]

    monkeypatch.setattr(description, "read_lines", read)
    expected = hashlib.sha256(f"paranoid.backup {known}".encode()).hexdigest()[:32] if known else ""
    assert machine_digest() == expected


def test_a_file_system_is_measured_where_that_cannot_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    found = os.statvfs("/")
    assert measure(FileSystem("/", "d", "ext4")) == FileSystem("/", "d", "ext4", found.f_blocks * found.f_frsize)
    assert measure(FileSystem("/gone", "d", "ext4")) == FileSystem("/gone", "d", "ext4", 0)
    monkeypatch.setattr(os, "statvfs", lambda path: pytest.fail("a look at it may hang"))
    assert measure(FileSystem("/", "nas:/x", "nfs4")) == FileSystem("/", "nas:/x", "nfs4", 0)


def test_limits_are_met_exactly(tmp_path: Path) -> None:
    line = "ana:x:1:1:{}:/:/bin/sh"
    longest = line.format("x" * (1024 - len(line) + 2))
    assert [len(parse_passwd([one])[0]) for one in (longest, longest.replace("x", "xx", 1))] == [1, 0]
    users, remarks = parse_passwd([f"a:x:{ID_MAX}:1::/:/bin/sh", f"b:x:{ID_MAX + 1}:1::/:/bin/sh"])
    assert [one.name for one in users] == ["a"] and len(remarks) == 1
    place = tmp_path / "conf"
    for size, is_read in ((CONFIG_BYTES_MAX, True), (CONFIG_BYTES_MAX + 1, False)):
        place.write_bytes(b"x" * size)
        assert md5_of(str(place)) == (hashlib.md5(b"x" * size).hexdigest() if is_read else "")
    (tmp_path / "link").symlink_to(place)
    assert md5_of(str(tmp_path / "link")) == md5_of(str(tmp_path)) == ""
    assert parse_os_release(["PRETTY_NAME='a=b'"]) == {"PRETTY_NAME": "a=b"}
