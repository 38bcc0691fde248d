# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a host says by files of his own, in real sessions: sources.d, off, and a request for a tunnel."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry
from keeper import Keeper
from owner_files import needs_root
from session_world import CLIENT, OK, came_to

pytestmark = needs_root
HERE = "from paranoid_dispatcher import trust; trust.TOP = pathlib.Path(sys.argv[2]).parent\n"


@pytest.fixture
def owned(keeper: Keeper) -> Keeper:
    """The client, with a directory for its owner's files, in which only root may write."""
    own = keeper.world.own
    own.chmod(0o755)
    path = own / "client.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "owner_dir": str(own)}))
    for name in ("sources.d", "hooks.d"):
        (own / name).mkdir(mode=0o755)
    keeper.serve(HERE)
    return keeper


def add(keeper: Keeper, name: str, text: str) -> Path:
    """Put a file into sources.d."""
    path = keeper.world.own / "sources.d" / name
    path.write_text(text)
    path.chmod(0o644)
    return path


def make(keeper: Keeper, *names: str) -> Path:
    """Make files outside of what the configuration saves."""
    root = keeper.world.own / "photos"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def refused(keeper: Keeper) -> list[str]:
    """Return what a backup says of sources, all of it."""
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_refused" and outcome.archive, (outcome.conclusion, outcome.log_tail)
    lines: list[str] = (outcome.sources or {})["refused"]
    return lines


def test_sources_and_excludes_of_the_owner_are_saved_beside_the_others(owned: Keeper) -> None:
    photos = make(owned, "a.jpg", "b.tmp", "deep/c.tmp", "deep/d.jpg")
    (owned.world.own / "source/e.tmp").write_text("the server's")
    add(owned, "photos.yaml", f"# mine\nsources:\n  - {photos}/\nexcludes: ['*.tmp']\n")
    add(owned, "README", "not read")
    outcome = owned.world.session("backup")
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    source = owned.world.own / "source"
    kept = [f"{photos}{name}" for name in ("", "/a.jpg", "/deep", "/deep/d.jpg")]
    assert owned.archived() == sorted([str(source), f"{source}/e.tmp", f"{source}/file", *kept])
    assert outcome.owner == {
        "off": "",
        "request": None,
        "sources": [str(photos)],
        "excludes": 1,
        "hooks": [],
        "skipped": ["sources.d/README is not read: its name must end in .yaml"],
    }


def test_what_the_configuration_demands_cannot_be_taken_away(owned: Keeper) -> None:
    """Neither by an exclude, nor as a source again, nor under another name."""
    source = owned.world.own / "source"
    (source / "inner").mkdir()
    (source / "inner/secret").write_text("x")
    (owned.world.own / "link").symlink_to(source)
    add(owned, "1.yaml", json.dumps({"sources": [str(source)], "excludes": ["inner", f"{source}/file", "*"]}))
    add(owned, "2.yaml", json.dumps({"sources": [f"{source}/inner"], "excludes": ["secret", "/", "re:."]}))
    add(owned, "3.yaml", json.dumps({"sources": [str(owned.world.own / "link")], "excludes": ["*"]}))
    lines = refused(owned)
    assert len(lines) == 7 and sum("which the server's configuration saves" in line for line in lines) == 4, lines
    assert {f"{source}/file", f"{source}/inner/secret"} <= set(owned.archived())


BAD = {
    "no YAML": ("sources: [", "sources.d/bad.yaml is no YAML: line 1: "),
    "a tab": ("sources:\n\t- /srv\n", "sources.d/bad.yaml is no YAML: line 2: "),
    "a list": ("- /srv\n", "sources.d/bad.yaml has no 'sources:' and no 'excludes:'"),
    "a text": ("/srv\n", "sources.d/bad.yaml has no 'sources:'"),
    "another key": ("commands:\n- x\nsources: []\n", "sources.d/bad.yaml has commands, but only sources and excludes"),
    "one text": ("sources: /srv\n", "sources.d/bad.yaml has sources that are no list: begin each with '- '"),
    "a key twice": ("sources: [/srv]\nsources: []\n", "sources.d/bad.yaml is no YAML: line 2: "),
    "a number": ("sources: [7]\n", "sources.d/bad.yaml has a source that is neither a path nor {path:"),
    "an alias": ("sources: &a [/srv]\nexcludes: *a\n", "sources.d/bad.yaml has an alias"),
    "an object": ("sources: !!python/object:os.system [x]\n", "sources.d/bad.yaml is no YAML: line 1: "),
    "a NUL": ("sources: [/srv\0]\n", "sources.d/bad.yaml is no YAML"),
    "large": ("#" * 70_000, "sources.d/bad.yaml is not read: it is larger than 64 KiB"),
    "relative": ("sources: [srv]\n", "source srv is not an absolute path"),
    "not there": (
        "sources: [/srv/7c1e]\n",
        "source /srv/7c1e is not there: make or mount it, or take it out of sources.d/bad.yaml",
    ),
    "a glob": ("sources: ['/srv/*']\n", "source /srv/* holds a '*'"),
    "not mounted": ("sources: [{path: /etc, mount: true}]\n", "source /etc is not mounted"),
    "an emptiness that is none": ("sources: [{path: /etc, empty: maybe}]\n", "has a source that is neither a path nor"),
    "a wish that is none": ("sources: [{path: /etc, mount: maybe}]\n", "has a source that is neither a path nor"),
}


def test_what_is_wrong_with_a_file_is_said_by_name_and_stops_no_other(owned: Keeper) -> None:
    photos = make(owned, "a.jpg")
    for number, (text, _why) in enumerate(BAD.values()):
        add(owned, f"bad{number}.yaml", text)
    add(owned, "good.yaml", f"sources: [{photos}]\n")
    lines = refused(owned)
    wanted = [why.replace("bad.yaml", f"bad{number}.yaml") for number, (_text, why) in enumerate(BAD.values())]
    assert [why for why in wanted if not any(why in line for line in lines)] == [], lines
    assert len(lines) == len(BAD)
    assert {f"{photos}/a.jpg", f"{owned.world.own}/source/file"} <= set(owned.archived())


def test_an_owner_says_which_of_his_sources_may_be_empty(owned: Keeper) -> None:
    photo = make(owned, "a.jpg") / "a.jpg"
    for said, came in (("{}", "source_emptied"), ("{{path: {}, empty: true}}", "")):
        add(owned, "photos.yaml", f"sources: [{said.format(photo.parent)}]\n")
        photo.write_text("x")
        assert came_to(owned.world.session("backup")) == OK
        photo.unlink()
        assert owned.world.session("backup").conclusion.code == came


def test_files_that_others_could_have_written_are_refused_by_name(owned: Keeper) -> None:
    """What the configuration demands is saved all the same."""
    photos = make(owned, "a.jpg")
    os.chown(add(owned, "1.yaml", f"sources: [{photos}]\n"), 65534, 0)
    add(owned, "2.yaml", f"sources: [{photos}]\n").chmod(0o666)
    (owned.world.own / "sources.d/3.yaml").symlink_to(add(owned, "x", f"sources: [{photos}]\n"))
    lines = refused(owned)
    assert [line[:29] for line in lines] == [f"sources.d/{number}.yaml is not read:" for number in "123"], lines
    (owned.world.own / "sources.d").chmod(0o777)
    (line,) = refused(owned)
    assert line.startswith(f"sources.d is not read: others than root may write {owned.world.own}/sources.d")
    assert not [path for path in owned.archived() if "photos" in path]


def test_an_owner_switches_the_backup_off_and_that_is_no_green(owned: Keeper) -> None:
    """What restores need goes on; a check run says the same; a file of somebody else's switches nothing off."""
    (owned.world.own / "off").write_text("moving house\x1b[2J until\nMonday")
    os.chmod(owned.world.own / "off", 0o644)
    for check in (False, True):
        outcome = owned.world.session("backup", check=check)
        assert (outcome.conclusion.status, outcome.conclusion.code, outcome.archive) == ("failed", "switched_off", None)
        assert "(moving house?[2J until Monday)" in outcome.conclusion.reason
    assert came_to(owned.world.session("info")) == OK
    os.chown(owned.world.own / "off", 65534, 65534)
    outcome = owned.world.session("backup")
    assert came_to(outcome) == OK and outcome.owner
    assert outcome.owner["skipped"][0].startswith("the backup is not switched off: ")


def test_a_report_tells_what_owners_say(owned: Keeper) -> None:
    photos = make(owned, "a.jpg")
    add(owned, "photos.yaml", f"sources: [{photos}]\nexcludes: ['*.tmp']\n")
    hook = owned.world.own / "hooks.d/10-shop"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    request: dict[str, Any] = {"schema": 1, "why": "lost\x1b[2J pictures", "made": "2026-11-20T03:00:00+00:00"}
    (owned.world.own / "borg/request.json").write_text(json.dumps(request))
    done = owned.play("backup")
    text = owned.report()
    assert done.returncode == 0, done.stdout + text
    assert (
        "1 source of the owner: " in text
        and "1 exclude of the owner" in text
        and "1 hook of the owner: 10-shop" in text
    )
    assert "since 2026-11-20 03:00 UTC: lost?[2J pictures" in text
    (owned.world.own / "off").write_text("")
    os.chmod(owned.world.own / "off", 0o644)
    assert owned.play("backup").returncode == 2
    assert "switched its backup off (no reason given)" in " ".join(owned.report().split())


def test_open_shows_what_an_owner_asks_for_and_withdraws_it(owned: Keeper) -> None:
    """A check run opens a tunnel and closes it at once. What the owner says is a text, for Ansible as well."""
    request = owned.world.own / "borg/request.json"
    request.write_text(json.dumps({"schema": 1, "why": "{{ 7 * 7 }}\x1b[2J lost", "made": "2026-11-20T03:00:00+00:00"}))
    done = owned.play("open", "--limit", CLIENT, "--check", backup_open_for=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its owner asks for a tunnel since 2026-11-20 03:00 UTC: {{ 7 * 7 }}" in done.stdout
    assert "\x1b[2J" not in done.stdout and not request.exists()
    with client_lock(str(owned.world.run_dir), CLIENT, "whatever comes next"):
        session = owned.entries("session")[-1]
    assert isinstance(session, SessionEntry) and session.verb == "open", "the play ended when its session was over"
