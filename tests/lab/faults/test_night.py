# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights by themselves: the server starts its own runs, and loses its power in one; a watch says what it sees of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from lab import Lab
from lab_faults import as_provisioned, big_file, powered_off, slow_upload, used_bytes, write
from lab_night import (
    LOOKER,
    REPORTS,
    RUNNER,
    SERVER,
    WATCH,
    begin_night,
    bring_wheels,
    clear_away,
    fetch_wheels,
    lay_out_project,
    look,
    open_door,
    write_inventory,
)
from waiting import wait_until

CLIENT = "db1"
WATCHED = "/etc/paranoid-backup/watch.json"
LEDGER = "/var/lib/paranoid-backup/ledger.sqlite"
CUT = """
import sqlite3
ledger = sqlite3.connect("/var/lib/paranoid-backup/ledger.sqlite")
triggers = ledger.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
for name, _sql in triggers:
    ledger.execute(f"DROP TRIGGER {name}")
ledger.execute("DELETE FROM entries WHERE seq > (SELECT max(seq) - 2 FROM entries)")
for _name, sql in triggers:
    ledger.execute(sql)
ledger.commit()
"""


@pytest.fixture(scope="module")
def night(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that is its own controller, and a watch on another host; yields what the watch's playbook said."""
    path = tmp_path_factory.mktemp("night") / "hosts.json"
    fetch_wheels(lab)
    with as_provisioned(lab, SERVER), ExitStack() as afterwards:
        afterwards.callback(clear_away, lab)
        bring_wheels(lab)
        lay_out_project(lab)
        open_door(lab)
        watched = lab.run("watch", *write_inventory(lab, path))
        assert watched.returncode == 0, watched.stdout + watched.stderr
        done = lab.run("site", "--limit", SERVER, *write_inventory(lab, path))
        assert done.returncode == 0, done.stdout + done.stderr
        for host, unit in ((SERVER, RUNNER), (WATCH, LOOKER)):
            lab.read(host, "systemctl", "is-active", f"{unit}.timer")
            lab.read(host, "systemctl", "disable", "--now", f"{unit}.timer")
            lab.exec(host, "systemctl", "start", unit)  # After it no timer's own is at work: nobody is due.
        yield watched.stdout


@contextmanager
def other_rules(lab: Lab, **rules: float) -> Iterator[None]:
    """Let the watch find other things too old."""
    told = lab.read(WATCH, "cat", WATCHED)
    write(lab, WATCH, WATCHED, json.dumps({**json.loads(told), "rules": rules}))
    try:
        yield
    finally:
        write(lab, WATCH, WATCHED, told)


@contextmanager
def cut_ledger(lab: Lab) -> Iterator[None]:
    """The last entries are gone, as if they had never been."""
    lab.read(SERVER, "cp", "-a", LEDGER, f"{LEDGER}.true")
    lab.read(SERVER, "python3", "-c", CUT)
    try:
        yield
    finally:
        lab.read(SERVER, "mv", f"{LEDGER}.true", LEDGER)


def test_a_watch_is_made_and_says_what_its_server_must_know(lab: Lab, night: str) -> None:
    said = " ".join(night.split())
    key = lab.read(WATCH, "cat", "/var/lib/paranoid-backup-watch/id_ed25519.pub").split()[1]
    assert "backup_server_watches: [{name: tower, key: ssh-ed25519" in said and key in said
    assert "BACKUP UNKNOWN - vault: it cannot be asked" in said, "its key is not admitted yet"


def test_upkeep_was_done_by_the_unit_and_is_not_due_again(lab: Lab, night: str) -> None:
    (turn,) = json.loads(lab.read(SERVER, "paranoid-backup", "next", "--json", "audit"))["turns"]
    assert turn["last_success"] and turn["at"] > turn["last_success"] and not turn["failures_since"], turn


def test_power_is_lost_in_the_middle_of_a_run(lab: Lab, night: str) -> None:
    """Of the server, which is its own controller."""
    before, mails = used_bytes(lab, CLIENT), len(lab.mails())
    with big_file(lab, CLIENT, 300), slow_upload(lab, CLIENT):
        begin_night(lab, CLIENT)
        assert wait_until(lambda: used_bytes(lab, CLIENT) > before + 20 * 1024**2, 300)
        with powered_off(lab, SERVER):
            code, said = look(lab)
            assert code == 3 and "BACKUP UNKNOWN - vault: it cannot be asked" in said, said
    assert not lab.exec(SERVER, "find", "/run/paranoid-backup", "-type", "s").stdout
    assert lab.exec(SERVER, "systemctl", "start", RUNNER).returncode == 1, "it tells of the run that did not end"
    (mail,) = lab.mails()[mails:]
    assert (
        "it died: ansible-playbook was ended: the runner itself was killed, or the machine went down" in mail["Subject"]
    )
    done = lab.exec(SERVER, "paranoid-backup", "run", CLIENT)
    assert done.returncode == 0, done.stdout
    assert CLIENT in lab.read(SERVER, "sh", "-c", f"cat $(ls -t {REPORTS}/*/report.txt | head -1)")
    assert "SUCCESS" in lab.mails()[-1]["Subject"] and len(lab.mails()) == mails + 2
    assert wait_until(lambda: lab.exec(CLIENT, "pgrep", "-x", "borg").returncode == 1, 300)


def test_what_the_watch_says_under_systemd(lab: Lab, night: str) -> None:
    open_door(lab)
    code, said = look(lab)
    assert code == 0 and "BACKUP OK - vault: 5 clients fresh, ledger whole" in said and ", witnessed" in said, said
    with other_rules(lab, at_most_days=1e-5):
        code, said = look(lab)
        assert code == 2 and f"{CLIENT} is late: its last good backup came" in said, said
    with cut_ledger(lab):
        code, said = look(lab)
        assert code == 2 and "vault: the ledger was cut off: it ends with entry" in said, said
    code, said = look(lab)
    assert code == 0, said
    for host, unit in ((SERVER, RUNNER), (WATCH, LOOKER)):
        lab.read(host, "systemd-analyze", "security", "--threshold=40", f"{unit}.service")
