# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: each is saved as it is meant, or refused with a line that names it and says what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from paranoid_dispatcher import sources
from paranoid_dispatcher.mounts import Mounts
from paranoid_dispatcher.sources import Plan, form_problem, plan_sources

NOTHING = Mounts(frozenset(), ())


def plan(
    *paths: Any, wishes: Mapping[str, bool] | None = None, excludes: Sequence[Any] = (), mounts: Mounts = NOTHING
) -> Plan:
    texts = [str(path) if isinstance(path, Path) else path for path in paths]
    return plan_sources(texts, wishes or {}, excludes, mounts)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("/srv/a", ""),
        ("/srv/a, b", ""),
        ("/srv/a:b", ""),
        ("/srv/-a", ""),
        ("/srv/ä ö", ""),
        ("/srv/~a", ""),
        ("/srv/R a", ""),
        ("/srv/#a", ""),
        ("/srv/a\tb", ""),
        ("/srv/{now}", ""),
        ("/srv/$HOME", ""),
        ("/srv/${HOME}", "borgmatic replaces"),
        ("/", ""),
        ("", "no text"),
        (None, "no text"),
        (7, "no text"),
        ({"path": "/srv"}, "no text"),
        ("srv", "absolute"),
        ("./srv", "absolute"),
        ("-srv", "absolute"),
        ("~/srv", "absolute"),
        ("sh:/srv", "absolute"),
        ("re:^srv", "absolute"),
        ("R /srv", "absolute"),
        ("- /srv", "absolute"),
        ("# /srv", "absolute"),
        ("/srv/*", "pattern"),
        ("/srv/a?", "pattern"),
        ("/srv/[ab]", "pattern"),
        ("/srv//a", "write /srv/a"),
        ("//srv", "write /srv"),
        ("///srv", "write /srv"),
        ("/srv/./a", "write /srv/a"),
        ("/srv/..", "write /"),
        ("/srv/../etc", "write /etc"),
        ("/srv/a//", "write /srv/a"),
        ("/srv/a ", "blank"),
        ("/srv/a\u3000", "blank"),
        (" /srv/a", "blank"),
        ("/srv/a\n", "blank"),
        ("/srv/a\nb", "line end"),
        ("/srv/a\rb", "line end"),
        ("/srv/a\x85b", "line end"),
        ("/srv/a\0b", "NUL"),
        ("/srv/\udce4", "not UTF-8"),
    ],
)
def test_only_a_plain_absolute_path_is_a_source(source: object, why: str) -> None:
    problem = form_problem(source)
    assert why in problem and bool(why) == bool(problem)


def test_what_is_no_text_is_refused_and_the_others_are_saved(tmp_path: Path) -> None:
    found = plan(tmp_path, {"path": "/srv"}, ["/srv"], None, 7)
    assert (found.roots, len(found.refused)) == ((str(tmp_path),), 4)


def test_directories_and_files_are_saved(tmp_path: Path) -> None:
    (tmp_path / "a, b").mkdir()
    (tmp_path / "file").write_text("x")
    assert plan(tmp_path / "file", f"{tmp_path}/a, b/").roots == (f"{tmp_path}/a, b", f"{tmp_path}/file")


def test_a_source_that_is_not_there_is_named_and_the_others_are_saved(tmp_path: Path) -> None:
    found = plan(tmp_path, tmp_path / "gone")
    assert found.roots == (str(tmp_path),)
    assert found.absent == (
        f"source {tmp_path}/gone is not there: make or mount it, or take it out of backup_client_sources",
    )
    assert found.problems == found.absent


@pytest.mark.parametrize("target", ["real", "file", "nowhere", "link"])
def test_a_link_is_refused_whatever_it_leads_to(tmp_path: Path, target: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(target)
    found = plan(tmp_path / "link")
    assert found.roots == ()
    (line,) = found.refused
    assert line.startswith(f"source {tmp_path}/link is a link to {target}: name {tmp_path}/")


def test_a_link_on_the_way_is_refused_and_the_place_behind_it_named(tmp_path: Path) -> None:
    (tmp_path / "releases/1/data").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    (line,) = plan(tmp_path / "current/data").refused
    assert line == (
        f"source {tmp_path}/current/data leads through {tmp_path}/current, a link to releases/1:"
        f" name {tmp_path}/releases/1/data"
    )


def test_a_link_with_a_slash_behind_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    assert "is a link" in plan(f"{tmp_path}/link/").refused[0]


def test_pipes_and_sockets_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        found = plan(tmp_path / "pipe", tmp_path / "socket")
    assert len(found.refused) == 2 and all("neither a directory nor a file" in line for line in found.refused)


def test_what_is_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "cannot be read: Not a directory" in plan(tmp_path / "file/x").refused[0]


def test_a_directory_comes_before_those_above_it_and_files_last(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_text("x")
    roots = plan(tmp_path / "a/file", tmp_path / "a", tmp_path, tmp_path / "a/b").roots
    assert roots == tuple(f"{tmp_path}{tail}" for tail in ("/a/b", "/a", "", "/a/file"))


def test_the_same_source_twice_is_saved_once(tmp_path: Path) -> None:
    found = plan(tmp_path, f"{tmp_path}/", tmp_path)
    assert (found.roots, found.problems) == ((str(tmp_path),), ())


def test_a_second_name_of_the_same_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("x")
    os.link(tmp_path / "one", tmp_path / "two")
    found = plan(tmp_path / "one", tmp_path / "two")
    assert found.roots == (f"{tmp_path}/one",)
    assert f"source {tmp_path}/two is the same as {tmp_path}/one" in found.refused[0]


@pytest.mark.parametrize("exclude", ["{0}", "{0}/", "{0}/*", "pp:{0}", "sh:{0}/**", "re:.", "*", "/", "{0}/../{1}"])
def test_an_exclude_that_leaves_nothing_of_a_source_is_refused(tmp_path: Path, exclude: str) -> None:
    (tmp_path / "data").mkdir()
    exclude = exclude.format(tmp_path / "data", "data")
    found = plan(tmp_path / "data", excludes=["/elsewhere", exclude])
    assert found.roots == ()
    assert found.refused[0].startswith(f"source {tmp_path}/data is left out as a whole by the exclude {exclude}")


@pytest.mark.parametrize("exclude", ["{0}/*.iso", "{0}/a", "re:x$", "{0}base", "pf:{0}/x"])
def test_an_exclude_that_leaves_something_is_fine(tmp_path: Path, exclude: str) -> None:
    (tmp_path / "data").mkdir()
    assert plan(tmp_path / "data", excludes=[exclude.format(tmp_path / "data")]).problems == ()


def test_a_bad_exclude_is_named_and_the_sources_are_saved(tmp_path: Path) -> None:
    found = plan(tmp_path, excludes=["rx:a", "re:(", 3, ["x"]])
    assert found.roots == (str(tmp_path),)
    assert [line.split(" ")[1] for line in found.refused] == ["rx:a", "re:(", "3", "['x']"]


def test_a_source_that_must_be_mounted_and_is_not(tmp_path: Path) -> None:
    found = plan(tmp_path, wishes={f"{tmp_path}/": True})
    assert found.roots == () and "is not mounted: mount it" in found.absent[0]


def test_a_mount_that_is_empty_is_not_the_one(tmp_path: Path) -> None:
    mounts = Mounts(frozenset([str(tmp_path)]), ())
    assert "is mounted, and empty" in plan(tmp_path, wishes={str(tmp_path): True}, mounts=mounts).absent[0]
    (tmp_path / "lost+found").mkdir()
    assert "is mounted, and empty" in plan(tmp_path, wishes={str(tmp_path): True}, mounts=mounts).absent[0]
    (tmp_path / "data").write_text("x")
    assert plan(tmp_path, wishes={str(tmp_path): True}, mounts=mounts).roots == (str(tmp_path),)


def test_what_the_system_mounts_and_has_not_is_missed_from_the_first_backup_on(tmp_path: Path) -> None:
    """Nobody could compare it with one before; a disk that failed at boot looks like an empty directory."""
    source, disk = str(tmp_path), str(tmp_path / "disk")
    wanted = Mounts(frozenset(), (disk, str(tmp_path / "scratch")))
    told = plan(tmp_path, excludes=[f"{tmp_path}/scratch"], mounts=wanted)
    assert told.roots == (source,) and len(told.absent) == 1
    assert told.absent[0].startswith(f"{disk}, below a source, is not mounted, though /etc/fstab")
    assert plan(tmp_path, mounts=Mounts(frozenset(), (source,))).roots == ()
    for fine in (Mounts(frozenset([disk]), (disk,)), Mounts(frozenset(), (disk,), frozenset([disk]))):
        assert plan(tmp_path, mounts=fine).problems == ()
    assert plan(tmp_path, wishes={disk: False}, mounts=Mounts(frozenset(), (disk,))).problems == ()
    (tmp_path / "link").symlink_to("/")  # as fstab may name it; the kernel knows only what is behind it
    assert plan(tmp_path, mounts=Mounts(frozenset(), (f"{tmp_path}/link",))).problems == ()


@pytest.mark.parametrize("pattern", ["*", "/*", "{}", "{}/", "{}/*", "{}*"])
def test_whatever_cannot_be_read_is_not_accepted_of_a_whole_source(tmp_path: Path, pattern: str) -> None:
    found = plan_sources([str(tmp_path)], {}, [], NOTHING, accepted=[pattern.format(tmp_path)])
    assert found.roots == () and "need not be read at all" in found.refused[0]
    fine = ["/home/*/.gvfs", f"{tmp_path}/*/.gvfs", f"{tmp_path}/cache", "*.lock"]
    assert plan_sources([str(tmp_path)], {}, [], NOTHING, accepted=fine).problems == ()


def test_the_server_is_told_what_lies_on_a_file_system_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sources, "is_apart", lambda path: path.endswith("/a"))
    mounts = Mounts(frozenset([f"{tmp_path}/b/disk"]), (f"{tmp_path}/b/disk", f"{tmp_path}/b/scratch", "/elsewhere"))
    found = plan(
        *(tmp_path / name for name in ("a", "b", "c")),
        wishes={f"{tmp_path}/c": False},
        excludes=[f"{tmp_path}/b/scratch"],
        mounts=mounts,
    )
    plain = {path: apart for path, apart in found.mounts.items() if not path.endswith("/")}
    assert plain == {f"{tmp_path}/a": True, f"{tmp_path}/b": False, f"{tmp_path}/b/disk": True}
    way = [f"{path}/" for path in (tmp_path / "a", tmp_path, *tmp_path.parents) if str(path) != "/"]
    assert dict.fromkeys(way, False) == {path: found.mounts[path] for path in found.mounts if path not in plain}


def test_mounts_are_read_from_the_system(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 8:2 / /srv/my\\040data rw master:1 shared:2 - ext4 /dev/sdb rw\n"
        "31 22 0:33 / /mnt/auto rw - autofs systemd-1 rw\n"
        "32 22 0:33 / /mnt/used rw - autofs systemd-1 rw\n"
        "33 32 8:3 / /mnt/used rw - ext4 /dev/sdc rw\n"
        "34 22 8:4 / /home rw - ext4 /dev/sdd rw\n"
        "35 34 8:5 / /home/hidden rw - ext4 /dev/sde rw\n"
        "36 34 8:6 / /home/both rw - ext4 /dev/sdf rw\n"
        "37 34 0:40 / /home rw - tmpfs none rw\n"
        "38 37 0:41 / /home/both rw - tmpfs none rw\n"
        "a line of something else\n"
    )
    (tmp_path / "fstab").write_text(
        "# /dev/x /comment ext4 defaults 0 2\n\n/dev/sdb /srv/my\\040data ext4 defaults 0 2\n"
        "/dev/sdz none swap sw 0 0\n"
        "/dev/usb /mnt/stick ext4 noauto,user 0 0\nshort line\n"
    )
    enabled = tmp_path / "units/multi-user.target.wants"
    enabled.mkdir(parents=True)
    (enabled / "srv-disk.mount").write_text("[Mount]\nWhat=/dev/sdx\nWhere = /srv/disk\n")
    (enabled / "srv-other.automount").write_text("[Automount]\nWhere=/srv/other\n# Where=/srv/none\n")
    (tmp_path / "units/idle.mount").write_text("[Mount]\nWhere=/srv/idle\n")
    found = Mounts.read(tmp_path / "mountinfo", tmp_path / "fstab", tmp_path / "units")
    assert found.now == {"/", "/srv/my data", "/mnt/used", "/home", "/home/both"}
    assert (found.wanted, found.waiting) == (("/srv/my data", "/srv/disk", "/srv/other"), frozenset(["/mnt/auto"]))
    assert Mounts.read(*[tmp_path / "no"] * 3) == NOTHING


def test_this_host_has_mounts() -> None:
    assert "/" in Mounts.read().now or not Path("/proc/self/mountinfo").exists()
    assert Mounts.read().has("/")


def test_what_an_owner_added_displaces_nothing(tmp_path: Path) -> None:
    """Borg passes over a directory that it has saved, under whatever name: what is added may be a bind mount of it."""
    places = [tmp_path / name for name in ("demanded", "own/much/deeper", "demanded/inner")]
    for place in places:
        place.mkdir(parents=True)
        (place / "file").touch()
    demanded, elsewhere, inner = map(str, places)
    origins = {elsewhere: "sources.d/a.yaml", inner: "sources.d/a.yaml"}
    found = plan_sources([demanded, elsewhere, inner], {}, (), NOTHING, origins)
    assert found.roots == (inner, demanded, elsewhere) and not found.problems


def test_a_source_that_an_owner_added_is_named_with_its_file(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    (line,) = plan_sources([gone], {}, (), NOTHING, {gone: "sources.d/a.yaml"}).problems
    assert line == f"source {gone} is not there: make or mount it, or take it out of sources.d/a.yaml"
