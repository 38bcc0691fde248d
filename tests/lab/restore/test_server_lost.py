# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's machine is gone; an empty one and the dataset become the server again, as docs/restore.md says."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

from lab import INVENTORY, Lab, lab_tool
from lab_runs import GOOD, backup
from tool import ROOT

HELD = ("web1", "db1")
LIMIT = ("--limit", ",".join(HELD))
SPARE = "/srv/backup/.server"
TOLD = "THE SERVER WAS MADE AGAIN"


def lose_server(lab: Lab) -> None:
    """Replace the server by an empty machine on which users get other numbers, with the dataset of the old one."""
    dataset = lab.exec("vault", "tar", "-C", "/srv", "--numeric-owner", "-cf", "-", "backup").stdout
    lab.end_connections()
    subprocess.run(["podman", "rm", "--force", "--time", "1", f"{lab.name}-vault"], check=True, capture_output=True)
    lab_tool("up", lab.environment)
    lab.read("vault", "useradd", "--system", "somebody")
    lab.read("vault", "tar", "-C", "/srv", "--numeric-owner", "-xf", "-", input=dataset)


def must(lab: Lab, playbook: str, *arguments: str) -> str:
    done = lab.run(playbook, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def head(lab: Lab) -> str:
    """The newest head, as the last mail has it."""
    found = [line.split()[1] for line in newest_mail(lab).splitlines() if line.startswith("Ledger")]
    return found[-1]


def newest_mail(lab: Lab) -> str:
    body = lab.mails()[-1].get_body(("plain",))
    return str(body.get_content()) if body else ""


def owners(lab: Lab) -> set[str]:
    """Whose the files of the repositories are, by the names of users on the server."""
    found = lab.read("vault", "find", *(f"/srv/backup/{one}/repo" for one in HELD), "-printf", "%u %g %P\n")
    return {" ".join(line.split()[:2]) for line in found.splitlines()}


def look_at_ledger(lab: Lab, known: str) -> str:
    """What ledger_info says, with a head that a mail had before the server was lost."""
    argv = ["ansible", "-i", str(INVENTORY), "vault", "-m", "paranoid.backup.ledger_info", "-a", f"known_head={known}"]
    done = subprocess.run(argv, cwd=ROOT, env=lab.environment, capture_output=True, check=True, text=True)
    return done.stdout.replace('"', "")


def state(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.read("vault", "cat", "/var/lib/paranoid-backup/web1/baseline.json"))
    return found


def test_restores_begin_at_once_and_everything_goes_on_after_an_audit(lab: Lab) -> None:
    lab.read("web1", "sh", "-c", "echo before >/etc/motd")
    first = backup(lab, *LIMIT)
    assert first.code == 0, first.output
    known, transaction = head(lab), state(lab)["transaction"]
    old_key = lab.read("vault", "cat", "/etc/paranoid-backup/ssh/id_ed25519.pub")
    lose_server(lab)
    since = time.monotonic()
    must(lab, "rebuild_server", "-e", f"backup_rebuild_head={known}", "-e", "backup_rebuild_restore_only=true")
    print(f"restores can begin after {time.monotonic() - since:.0f} s")
    assert owners(lab) == {f"bk-{one} bk-{one}" for one in HELD}
    assert lab.read("vault", "cat", "/etc/paranoid-backup/ssh/id_ed25519.pub") != old_key
    lab.read("web1", "sh", "-c", "echo after >/etc/motd")
    must(lab, "restore", "--limit", "web1", "-e", "backup_restore_paths=etc/motd")
    assert lab.read("web1", "cat", "/etc/motd") == "before\n"
    assert backup(lab, *LIMIT).codes() == dict.fromkeys(HELD, "rebuilding")
    must(lab, "audit", "--limit", ",".join((*GOOD, "broken1")), "-e", "backup_audit_full=true")
    print(f"everything works after {time.monotonic() - since:.0f} s")
    told = " ".join(newest_mail(lab).split())
    assert TOLD in told and "the ledger is its copy beside the repositories, up to entry" in told
    assert " lost" not in told.split(TOLD)[1].replace("had been lost", "")

    run = backup(lab, *LIMIT)
    assert (run.code, TOLD in run.text) == (0, False), run.text
    must(lab, "maintain", *LIMIT)
    options = ("-e", "backup_reason=test", "-e", f"backup_rollback_transaction={transaction}")
    must(lab, "rollback", "--limit", "web1", *options)
    must(lab, "audit", *LIMIT)
    assert backup(lab, *LIMIT).code == 0
    assert re.search(r"chain:.+\bok\W+true", look_at_ledger(lab, known), re.DOTALL), look_at_ledger(lab, known)
    lab.read("vault", "cmp", "/var/lib/paranoid-backup/web1/baseline.json", f"{SPARE}/clients/web1/baseline.json")
