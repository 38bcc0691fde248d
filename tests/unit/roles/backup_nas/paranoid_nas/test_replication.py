# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and copies by a strict model of zfs: what is taken, held, sent and let go, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paranoid_nas import replication, zfs
from paranoid_nas.policy import DAY, Rules, snapshot_name
from paranoid_nas.snapshots import expose, release_expired, take
from paranoid_nas.storage import NasError, SilentError
from paranoid_nas.streams import Side
from paranoid_nas.zfs import MARK, TAG, Zfs

NOW = 1_800_000_000
RULES = Rules(14)
ROOT, WEB1 = "tank/backup", "tank/backup/web1"


class Model(Zfs):
    """Datasets, each with its snapshots: when they were made, and who holds them."""

    def __init__(self, *datasets: str) -> None:
        super().__init__()
        self.snaps: dict[str, dict[str, tuple[int, set[str]]]] = {name: {} for name in datasets}
        self.marks: dict[str, str] = {}
        self.done: list[str] = []
        self.fails: dict[str, NasError] = {}
        self.altroot, self.readonly = "-", ""

    def below(self, root: str) -> list[str]:
        return [name for name in self.snaps if f"{name}/".startswith(f"{root}/")]

    def read(self, *argv: str) -> str:
        words = " ".join(argv)
        for begin, error in self.fails.items():
            if words.startswith(begin):
                raise error
        match argv:
            case ["zfs", "list", "-H", "-o", "name", name]:
                if name not in self.snaps:
                    raise NasError(f"zfs list {name}: cannot open '{name}': dataset does not exist")
                return name
            case ["zfs", "list", "-H", "-t", "filesystem", "-o", "name", "-r", root]:
                return "\n".join(self.below(root))
            case ["zfs", "get", "-rHp", "-o", "name,property,value", "creation,userrefs", root]:
                rows = [
                    (f"{one}@{name}", *about) for one in self.below(root) for name, about in self.snaps[one].items()
                ]
                return "".join(f"{name}\tcreation\t{at}\n{name}\tuserrefs\t{len(by)}\n" for name, at, by in rows)
            case ["zfs", "get", "-Hp", "-o", "value,source", prop, name]:
                found = {MARK: self.marks.get(name), "readonly": self.readonly}[prop]
                return f"{found}\tlocal\n" if found else "-\t-\n"
            case ["zpool", "list", "-H", "-o", "altroot", "tank"]:
                return f"{self.altroot}\n"
            case ["zfs", "get", "-H", "-o", "value", "mountpoint", name]:
                return f"{self.altroot.strip('-')}/srv/{name.rpartition('/')[2]}\n"
        self.done.append(words)
        self.change(list(argv))
        return ""

    def change(self, argv: list[str]) -> None:
        match argv:
            case ["zfs", "snapshot", "-r", full]:
                root, _at, name = full.partition("@")
                for one in self.below(root):
                    assert name not in self.snaps[one], "it exists"
                    self.snaps[one][name] = (NOW, set())
            case ["zfs", "hold", tag, full]:
                if tag in self.holds(full):
                    raise NasError("cannot hold: tag already exists on this dataset")
                self.holds(full).add(tag)
            case ["zfs", "release", tag, full]:
                if tag not in self.holds(full):
                    raise NasError(f"zfs release {full}: no such tag on this dataset")
                self.holds(full).remove(tag)
            case ["zfs", "destroy", full] if "@" in full:
                assert not self.holds(full), "it is held"
                del self.snaps[full.partition("@")[0]][full.partition("@")[2]]
            case ["zfs", "destroy", name]:
                del self.snaps[name], self.marks[name]
            case ["zfs", "create", *options, name] | ["zfs", "clone", *options, _, name]:
                self.snaps[name] = {}
                (self.marks[name],) = (one.partition("=")[2] for one in options if one.startswith(MARK))
            case _:
                assert argv[1] in ("set", "inherit") and argv[2].startswith("readonly"), f"not as zfs is called: {argv}"

    def holds(self, full: str) -> set[str]:
        dataset, _at, name = full.partition("@")
        return self.snaps[dataset][name][1]

    def add(self, dataset: str, day: float, *holds: str, reason: str = "daily") -> str:
        """Have a snapshot of so many days ago."""
        name = snapshot_name(NOW - day * DAY, reason)
        self.snaps[dataset][name] = (int(NOW - day * DAY), set(holds))
        return name


@pytest.fixture
def here() -> Model:
    return Model(ROOT, WEB1)


def silent(_line: str) -> None:
    pass


def test_a_snapshot_is_taken_once_a_day_of_all_at_one_moment_and_held(here: Model) -> None:
    said: list[str] = []
    take(here, ROOT, "daily", NOW, RULES, said.append)
    name = snapshot_name(NOW, "daily")
    assert here.done == [f"zfs snapshot -r {ROOT}@{name}", *(f"zfs hold {TAG} {one}@{name}" for one in (ROOT, WEB1))]
    assert said == [f"took {ROOT}@{name}"]
    here.done.clear()
    take(here, ROOT, "daily", NOW + 3600, RULES, silent)
    assert here.done == [], "one a day"
    take(here, ROOT, "maintenance", NOW, RULES, silent)
    take(here, ROOT, "maintenance", NOW, RULES, silent)
    second = snapshot_name(NOW + 1, "maintenance")
    assert [one for one in here.done if "snapshot" in one][1] == f"zfs snapshot -r {ROOT}@{second}", (
        "in the same second"
    )
    here.done.clear()
    here.snaps["tank/backup/new1"] = {}
    take(here, ROOT, "daily", NOW + 3600, RULES, silent)
    assert here.done[0].startswith("zfs snapshot -r "), "a new client waits for no other day"


def test_what_had_its_time_goes_one_by_one_and_what_cannot_go_is_told(here: Model) -> None:
    names = [here.add(WEB1, day, TAG) for day in range(20, -1, -1)]
    said: list[str] = []
    here.fails = {f"zfs destroy {WEB1}@{names[1]}": NasError("dataset is busy")}
    assert release_expired(here, ROOT, NOW, RULES, said.append) == ["dataset is busy"]
    assert said == [f"let {WEB1}@{names[number]} go" for number in (0, 2, 3, 4, 5)]
    assert here.done[:2] == [f"zfs release {TAG} {WEB1}@{names[0]}", f"zfs destroy {WEB1}@{names[0]}"]
    here.fails = {"zfs destroy": SilentError("a pool hangs")}
    with pytest.raises(SilentError):
        release_expired(here, ROOT, NOW, RULES, silent)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Directories that were made and looked at where a snapshot is shown."""
    seen: list[str] = []
    for name in ("make_place", "check_place"):
        monkeypatch.setattr(zfs, name, seen.append)
    return seen


@pytest.mark.parametrize(("before", "after"), [("", "inherit readonly"), ("off", "set readonly=off")])
def test_one_that_is_shown_is_a_copy_beside_all_and_goes_alone(
    here: Model, places: list[str], before: str, after: str
) -> None:
    name, here.readonly = here.add(WEB1, 1, TAG), before
    clone = f"{ROOT}-restore-web1"
    assert expose(here, ROOT, "web1", name) == "/srv/web1/snapshot"
    assert places == ["/srv/web1", "/srv/web1/snapshot"]
    assert here.done == [
        f"zfs set readonly=on {WEB1}",
        f"zfs clone -o mountpoint=/srv/web1/snapshot -o readonly=on -o exec=off -o setuid=off -o {MARK}=restore web1 "
        f"{WEB1}@{name} {clone}",
        f"zfs {after} {WEB1}",
    ]
    here.done.clear()
    assert expose(here, ROOT, "web1", name) and here.done[0] == f"zfs destroy {clone}", "once more, in its place"
    here.hide(ROOT, "web1")
    here.hide(ROOT, "web1")
    assert clone not in here.snaps and here.snaps[WEB1]
    here.snaps[clone] = {}
    with pytest.raises(NasError, match="was not made for a restore of web1: it stays"):
        here.hide(ROOT, "web1")
    for client, wanted, said in (
        ("web2", name, "name a client of this NAS"),
        ("web1", "gone", f"choose one of {name}$"),
    ):
        with pytest.raises(NasError, match=said):
            expose(here, ROOT, client, wanted)
    here.snaps[WEB1].clear()
    with pytest.raises(NasError, match=r"choose one of none$"):
        expose(here, ROOT, "web1", name)


@pytest.mark.parametrize("altroot", ["/mnt", "/mnt/", "/"])
def test_one_is_shown_where_a_pool_that_was_imported_below_a_directory_has_it(
    here: Model, places: list[str], altroot: str
) -> None:
    """As each of a TrueNAS is, below /mnt, which ZFS puts before the property."""
    here.altroot = altroot
    name = here.add(WEB1, 1, TAG)
    shown = expose(here, ROOT, "web1", name)
    assert shown.endswith("/srv/web1/snapshot") and places == [shown.rpartition("/")[0], shown]
    (said,) = (one for one in here.done if one.startswith("zfs clone"))
    assert "-o mountpoint=/srv/web1/snapshot " in said.replace("//", "/")


def test_nothing_is_mounted_where_the_server_has_put_something(here: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        assert here.done[-1] == f"zfs set readonly=on {WEB1}", "nobody can put it there later"
        raise NasError(f"{place} is a link")

    monkeypatch.setattr(zfs, "make_place", lambda _above: None)
    monkeypatch.setattr(zfs, "check_place", refuse)
    with pytest.raises(NasError, match="is a link"):
        expose(here, ROOT, "web1", here.add(WEB1, 1, TAG))
    assert here.done == [f"zfs set readonly=on {WEB1}", f"zfs inherit readonly {WEB1}"]


def test_where_one_is_shown_is_an_empty_directory_of_a_mounted_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, place = str(tmp_path), tmp_path / "snapshot"
    with pytest.raises(NasError, match=f"{above} is not mounted: unlock or mount its dataset"):
        zfs.make_place(above)
    monkeypatch.setattr("os.path.ismount", lambda path: path in (above, "/proc/1"))
    with pytest.raises(NasError, match=f"{place}: No such file"):
        zfs.check_place(str(place))
    zfs.make_place(above)
    zfs.make_place(above)
    zfs.check_place(str(place))
    with pytest.raises(NasError, match="/proc/1/snapshot: "):
        zfs.make_place("/proc/1")
    (place / "repo").mkdir()
    for _kind in ("full", "link"):
        with pytest.raises(NasError, match="no empty directory, and nothing is mounted there: move it away"):
            zfs.check_place(str(place))
        if not place.is_symlink():
            (place / "repo").rmdir()
            place.rmdir()
            (tmp_path / "victim").mkdir()
            place.symlink_to("victim")
            zfs.make_place(above)


Flow = Callable[[Side, Side, float], None]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, here: Model) -> tuple[Model, list[str]]:
    """The other side, and what was sent to it."""
    there, streams = Model("usb"), list[str]()

    def flow(sender: Side, receiver: Side, patience: float) -> None:
        assert receiver.argv[:3] == ["zfs", "recv", "-u"] and len(receiver.argv) == 4 and patience == there.patience
        streams.append(" ".join(sender.argv[2:]))
        copy, full = receiver.argv[3], sender.argv[-1]
        dataset, _at, name = full.partition("@")
        sender.code, receiver.code = 0, 0
        if "-i" in sender.argv:
            assert list(there.snaps[copy])[-1] == sender.argv[3][1:], "most recent snapshot is not the source"
        there.snaps.setdefault(copy, {})[name] = (here.snaps[dataset][name][0], set())

    monkeypatch.setattr(replication, "flow", flow)
    return there, streams


def copy(here: Model, there: Model, now: float = NOW) -> list[str]:
    return replication.replicate(here, ROOT, there, "usb/copy", now, RULES, silent)


def test_a_copy_gets_all_then_what_is_new_and_holds_both_ends(here: Model, sent: tuple[Model, list[str]]) -> None:
    there, streams = sent
    one, two = here.add(WEB1, 3, TAG), here.add(WEB1, 2, TAG)
    assert copy(here, there) == []
    assert streams == [f"{WEB1}@{one}", f"-i @{one} {WEB1}@{two}"], "nothing of a dataset without a snapshot"
    assert there.done[0] == (
        f"zfs create -o canmount=off -o mountpoint=none -o readonly=on -o exec=off -o setuid=off "
        f"-o {MARK}=copy of {ROOT} usb/copy"
    )
    held = {name: by for name, (_at, by) in here.snaps[WEB1].items()}
    (tag,) = held[two] - {TAG}
    assert tag.startswith("paranoid-copy-") and len(tag) == 22 and held[one] == {TAG}, "the next copy begins there"
    assert all(by == {TAG} for _at, by in there.snaps["usb/copy/web1"].values()), "and the copy holds its own"
    three = here.add(WEB1, 1, TAG)
    streams.clear()
    assert copy(here, there) == [] and streams == [f"-i @{two} {WEB1}@{three}"]
    assert {name: by - {TAG} for name, (_at, by) in here.snaps[WEB1].items()} == {one: set(), two: set(), three: {tag}}
    streams.clear()
    assert copy(here, there) == [] and streams == []
    del here.snaps[WEB1][one], here.snaps[WEB1][two]
    assert copy(here, there) == [] and len(there.snaps["usb/copy/web1"]) == 3, "deletions do not reach it"
    here.add(ROOT, 1, TAG)
    assert copy(here, there) == [] and "usb/copy/_server" in there.snaps


def test_snapshots_of_others_do_not_go_to_the_copy(here: Model, sent: tuple[Model, list[str]]) -> None:
    """As those that a TrueNAS takes each hour: nothing lets them go there, and they would fill the disk."""
    there, streams = sent

    def add_other(day: float, where: Model = here, dataset: str = WEB1) -> None:
        where.snaps[dataset][f"auto-{day}"] = (int(NOW - day * DAY), set())

    names = []
    for day in (9, 8, 7):
        add_other(day + 0.5)
        names.append(here.add(WEB1, day, TAG))
    assert copy(here, there) == [] and list(there.snaps["usb/copy/web1"]) == names
    assert [len(by) for name, (_at, by) in here.snaps[WEB1].items() if name in names] == [1, 1, 2]
    add_other(6.5)
    add_other(6.5, there, "usb/copy/web1")  # as a copy of an earlier release brought it
    names.append(here.add(WEB1, 6, TAG))
    streams.clear()
    assert copy(here, there) == [] and streams == [f"-i @auto-6.5 {WEB1}@{names[-1]}"]
    add_other(5.5)
    assert copy(here, there) == [] and len(streams) == 1


@pytest.mark.parametrize("last", [0, 1])
def test_what_came_last_is_held_at_the_source_also_when_a_copy_is_cut(
    here: Model, sent: tuple[Model, list[str]], monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """It would be let go before the disk is plugged in again, and no later one could follow."""
    there, streams = sent
    names = [here.add(WEB1, day, TAG) for day in (3, 2, 1)]
    whole: Flow = vars(replication)["flow"]

    def cut(sender: Side, receiver: Side, patience: float) -> None:
        if sender.argv[-1].endswith(names[last + 1]):
            raise NasError("the disk is full")
        whole(sender, receiver, patience)

    monkeypatch.setattr(replication, "flow", cut)
    assert copy(here, there) == ["the disk is full"]
    assert [len(by) for _at, by in here.snaps[WEB1].values()][last:] == [2, 1, 1][: 3 - last]
    monkeypatch.setattr(replication, "flow", whole)
    streams.clear()
    assert copy(here, there) == [] and streams[0] == f"-i @{names[last]} {WEB1}@{names[last + 1]}"
    assert [len(by) for _at, by in here.snaps[WEB1].values()] == [1, 1, 2]


def test_what_cannot_be_copied_is_told_and_the_others_are(here: Model, sent: tuple[Model, list[str]]) -> None:
    there, streams = sent
    here.snaps["tank/backup/web2"] = {}
    for dataset in (WEB1, "tank/backup/web2"):
        here.add(dataset, 1, TAG)
    there.snaps |= {"usb/copy": {}, "usb/copy/web1": {}}
    there.marks["usb/copy"] = f"copy of {ROOT}"
    (said,) = copy(here, there)
    assert said == f"usb/copy/web1 has no snapshot in common with {WEB1}: give the copy another name"
    assert len(streams) == 1 and "usb/copy/web2" in there.snaps
    there.fails = {"zfs hold": NasError("no space left")}
    there.snaps["usb/copy/web2"] = {name: (at, set()) for name, (at, _by) in here.snaps["tank/backup/web2"].items()}
    assert copy(here, there)[1:] == ["no space left"]
    for mark in ("copy of other/backup", ""):
        there.marks["usb/copy"] = mark
        with pytest.raises(NasError, match=f"usb/copy exists and is no copy of {ROOT}"):
            copy(here, there)


def test_where_six_hang_the_others_wait_for_the_next_run(here: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    there, tried = Model("usb"), list[str]()
    for number in range(9):
        here.snaps[f"{ROOT}/c{number}"] = {}
        here.add(f"{ROOT}/c{number}", 1, TAG)

    def hang(sender: Side, *_rest: Any) -> None:
        tried.append(sender.argv[-1])
        raise SilentError("it hangs")

    monkeypatch.setattr(replication, "flow", hang)
    said = copy(here, there)
    assert said == [*["it hangs"] * 6, "usb/copy: 6 hung, so the others wait for the next run"] and len(tried) == 6


@pytest.mark.parametrize(
    ("codes", "words", "said"),
    [
        ((0, 1), (b"", b"no space\n"), "zfs recv usb/copy/web1: no space"),
        ((1, 1), (b"ssh: closed", b"cut\n"), "zfs recv usb/copy/web1: cut; ssh: closed"),
        ((255, 0), (b"ssh: closed", b""), "zfs send {full}: ssh: closed"),
    ],
)
def test_either_side_that_fails_is_named_with_what_both_said(
    here: Model, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, int], words: tuple[bytes, bytes], said: str
) -> None:
    def flow(sender: Side, receiver: Side, _patience: float) -> None:
        (sender.code, receiver.code), (sender.said, receiver.said) = codes, words

    monkeypatch.setattr(replication, "flow", flow)
    name = here.add(WEB1, 1, TAG)
    assert copy(here, Model("usb")) == [said.format(full=f"{WEB1}@{name}")]
