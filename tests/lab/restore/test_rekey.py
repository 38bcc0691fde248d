# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rekey.yml and drill.yml on real hosts: another key, the old one kept, and a restore that the ledger remembers."""

from __future__ import annotations

import json

from lab import Lab
from lab_runs import OPENED, backup

CLIENT = "new1"
PASSPHRASE = "/etc/paranoid-backup/passphrase"


def ledger(lab: Lab, kind: str) -> list[dict[str, object]]:
    """Return what the server's ledger has of a kind for the client."""
    query = "import json, sqlite3; print(json.dumps([json.loads(row[0]) for row in sqlite3.connect("
    query += (
        "'/var/lib/paranoid-backup/ledger.sqlite').execute('select body from entries where kind = ? and client = ?',"
    )
    found: list[dict[str, object]] = json.loads(
        lab.read("vault", "python3", "-c", query + f"('{kind}', '{CLIENT}'))]))")
    )
    return found


def test_a_client_gets_another_key_and_a_restore_is_drilled_with_it(lab: Lab) -> None:
    limit = ("--limit", CLIENT)
    nobody = lab.run("rekey", *limit)
    assert nobody.returncode == 2 and "say why" in nobody.stdout
    assert backup(lab, *limit).client(CLIENT)["state"] == "ok", "one that was never used is not set aside"
    before = lab.read(CLIENT, "cat", PASSPHRASE)
    done = lab.run("rekey", *limit, "-e", "backup_reason=a-test", "-e", "backup_by=bo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert before.strip() not in done.stdout and "with the old key, are kept in" in done.stdout
    retired = ledger(lab, "retire")[-1]
    assert (retired["reason"], retired["by"]) == ("a-test", "bo")
    old, place = str(retired["place"]), f"/srv/backup/{CLIENT}"
    assert lab.read(CLIENT, "cat", f"/etc/paranoid-backup/retired/{old.removeprefix('old-')}/passphrase") == before
    assert lab.read(CLIENT, "cat", PASSPHRASE) != before
    borg = "BORG_BASE_DIR=/root/old BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_PASSPHRASE=$(cat)"
    borg += " /opt/paranoid-backup/bin/borg"
    opened = f"{borg} list --bypass-lock --short {place}/{old}/repo"
    assert len(lab.read("vault", "sh", "-c", opened, input=before.encode()).splitlines()) == retired["archives"]
    strange = lab.exec("vault", "sh", "-c", f"{borg} list --bypass-lock {place}/repo", input=before.encode())
    assert strange.returncode != 0 and b"Passphrase supplied" in strange.stderr
    assert backup(lab, *limit).client(CLIENT)["state"] == "ok"
    drilled = lab.run("drill", *limit, "-e", "backup_by=bo", "-e", "backup_drill_paths=etc/ssh")
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    assert "drill SUCCESS" in lab.mails()[-1]["Subject"]
    assert lab.run("drill", *limit, "--check").returncode == 0
    seen = ledger(lab, "rehearsal")[-1]
    assert (seen["what"], seen["by"]) == ("restore", "bo") and int(str(seen["files"])) > 3
    assert str(seen["archive_name"]).startswith(f"{CLIENT}-")
    assert lab.exec(CLIENT, "test", "-e", OPENED).returncode and not lab.read(CLIENT, "ls", "/var/tmp").count("drill")
