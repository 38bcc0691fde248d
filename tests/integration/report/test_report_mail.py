# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of a run: what it says, who gets it, and what becomes of a run whose mail cannot be sent."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ReportedArchive, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from mail_server import PASSWORD, Mailbox
from report_bench import Bench, sendmail, smtp
from report_samples import COMPACT, MAINTAINED, PLAYBOOK
from tool import ROOT

PLAYBOOKS = ROOT / "playbooks"


def test_a_good_run_is_recorded_and_mailed(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox, title="Acme")
    done = bench.run("-vvv", "playbook.yml")
    assert done.code == 0, done.output
    assert done.record["status"] == "SUCCESS"
    assert done.record["mail"] == {
        "state": "queued",  # for the mail server is this machine
        "to": ["ops@example.org", "boss@example.org"],
        "error": "",
        "accepted": [],
    }
    assert done.record["tally"] == {"total": 2, "succeeded": 2, "failed": 0, "skipped": 0, "not_run": 0}
    assert [(client["name"], client["state"]) for client in done.record["clients"]] == [("web01", "ok"), ("db01", "ok")]
    assert done.client("web01")["session"]["archive"]["nfiles"] == 12345
    assert (
        f"{done.directory}/report.html; mail for ops@example.org, boss@example.org is in this machine's own queue"
        in done.line
    )
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["ops@example.org", "boss@example.org"]]
    assert mail["Subject"].startswith("[Acme] SUCCESS: 2 ok, 0 failed, 0 skipped of 2 in ")
    assert mail["X-Paranoid-Backup-Run"] == done.record["run_id"] == done.directory.name
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "All 2 clients backed up." in mailbox.text()
    for path in done.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert PASSWORD not in path.read_text()
    assert sorted(path.name for path in done.directory.iterdir()) == [
        "mail.eml",
        "record.json",
        "report.html",
        "report.txt",
    ]
    assert stat.S_IMODE(done.directory.stat().st_mode) == stat.S_IMODE(bench.reports.stat().st_mode) == 0o700
    assert PASSWORD not in done.output


def test_no_client_matched(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings, bench.hosts = smtp(mailbox), {}
    done = bench.run()
    assert done.code == 2, done.output
    assert mailbox.mails[0]["Subject"].startswith("[backup] FAILURE: 0 ok, 0 failed, 0 skipped of 0")
    assert "no client matched" in mailbox.text()


def test_the_mail_says_who_is_not_there(bench: Bench, mailbox: Mailbox) -> None:
    """Who left the inventory, who was left out, who moved; and a server that cannot say it."""
    bench.settings = smtp(mailbox)
    server = json.loads((ROOT / "tests/fixtures/formats/0.1.0/server/server.json").read_text())
    client = json.loads((ROOT / "tests/fixtures/formats/0.1.0/server/clients/web1.json").read_text())
    (bench.root / "clients").mkdir()
    (bench.root / "server.json").write_text(json.dumps(server | {"state_dir": str(bench.root)}))
    for name, host in (("web01", "web01"), ("db01", "192.0.2.9"), ("old01", "old01")):
        (bench.root / f"clients/{name}.json").write_text(json.dumps({**client, "client": name, "host": host}))
    with Ledger.open(str(bench.root / "ledger.sqlite"), lambda: datetime.now(UTC) - timedelta(days=40)) as ledger:
        archive = ReportedArchive("a" * 64, "old01-1")
        ledger.append(SessionEntry("old01", "backup", "1" * 32, "r1", "ok", commits=1, manifests=1, archive=archive))
    where = ("-e", f"backup_client_server=localhost backup_config_dir={bench.root}")
    done = bench.run(f"{PLAYBOOKS}/backup.yml", *where, "--limit", "db01")
    assert (done.code, done.record["status"]) == (0, "SUCCESS"), done.output
    text = " ".join(mailbox.text().split())
    assert (
        "1 client backed up. 1 client is not in the inventory, 1 is at another address, 1 is left out of this run."
        in text
    )
    assert "NOT IN THE INVENTORY old01: last success 40 d 00 h ago, on localhost" in text
    assert "LEFT OUT OF THIS RUN web01: never backed up" in text
    assert "db01: the server goes to 192.0.2.9, the inventory says db01: run site.yml for it" in text
    assert "NAS none in the inventory, so no snapshot is out of a server's reach" in text
    (bench.root / "server.json").unlink()
    bench.run(f"{PLAYBOOKS}/backup.yml", *where)
    assert "COULD NOT SAY WHO IS MISSING localhost: this machine is not a provisioned server" in " ".join(
        mailbox.text(-1).split()
    )


def test_a_server_that_is_away_costs_no_backup_and_is_named(bench: Bench, closed_port: int) -> None:
    """The clients of another server are backed up all the same."""
    bench.hosts["db01"]["backup_client_server"] = "away"
    away = {"ansible_connection": "ssh", "ansible_host": "localhost", "ansible_port": closed_port}
    bench.servers = {"localhost": {}, "away": away}
    done = bench.run(f"{PLAYBOOKS}/backup.yml")
    assert done.client("web01")["state"] == "ok", done.output
    assert [line.partition(":")[0] for line in done.record["roll"]["problems"]] == ["localhost", "away"]


def test_check_mode_is_recorded_and_not_mailed(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    done = bench.run("playbook.yml", "--check")
    assert (done.code, done.record["check"], done.record["mail"]["state"], mailbox.mails) == (0, True, "none", [])
    assert "no mail in check mode" in done.line
    bench.settings["mail_in_check"] = "true"
    assert bench.run("playbook.yml", "--check").code == 0
    assert "can be backed up (check run" in mailbox.text()


def test_a_maintenance_is_recorded_and_mailed(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    bench.hosts["db01"]["told"] = {"only": MAINTAINED}
    done = bench.run(playbook=PLAYBOOK.replace("verb: backup", "verb: maintain"))
    assert done.code == 2, done.output  # web01 answered as a backup does, without saying what it deleted
    assert done.client("db01")["session"]["maintain"]["deleted"] == [{"id": "1" * 64, "name": "old"}]
    (mail,) = mailbox.mails
    assert mail["Subject"].startswith("[backup] maintain FAILURE: 1 ok, 1 failed, 0 skipped of 2 in ")
    text = mailbox.text()
    assert "deleted  kept  unknown  missing  check" in text
    assert "original" not in text


def test_a_compaction_that_raises_an_alarm(bench: Bench, mailbox: Mailbox) -> None:
    data = {"kind": "repository", "client": "web01", "findings": ["x"], "since": ""}
    alarm = {"failed": True, "code": "alarm", "msg": "ALARM: in the words of a terminal", "alarm": data}
    bench.settings, bench.hosts = smtp(mailbox), {"web01": {"told": {"compact": alarm}}}
    compact = "- hosts: backup_clients\n  gather_facts: false\n  tasks:\n" + COMPACT
    done = bench.run(playbook=compact)
    assert done.code == 2
    assert mailbox.mails[0]["Subject"].startswith("[backup] compact ALARM: 0 ok, 1 failed")
    text = mailbox.text()
    assert text.startswith("ALARM: web01's repository is not as it was left, it is frozen: x")


def test_an_inventory_without_clients_is_refused_and_mailed(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings, bench.hosts = smtp(mailbox), {}
    done = bench.run(f"{PLAYBOOKS}/compact.yml")
    assert (done.code, done.record["status"]) == (2, "FAILURE")
    text = " ".join(mailbox.text().split())
    assert "the inventory has no host in the group backup_clients" in text


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"smtp_password": "wrong-password"}, "the login of report was refused: 535"),
        ({"smtp_port": "CLOSED"}, "Connection refused"),
        ({"smtp_port": "MUTE", "timeout": "1"}, "no answer within 1 s"),
        ({"smtp_ca_file": "OTHER"}, "certificate is not trusted"),
    ],
)
def test_a_mail_that_cannot_be_sent(
    bench: Bench,
    mailbox: Mailbox,
    closed_port: int,
    mute_port: int,
    other_certificate: Path,
    changes: dict[str, str],
    line: str,
) -> None:
    known = {"CLOSED": closed_port, "MUTE": mute_port, "OTHER": other_certificate}
    bench.settings = smtp(mailbox, **{key: str(known.get(value, value)) for key, value in changes.items()})
    done = bench.run("playbook.yml", "-vvv")
    assert done.code == 7, done.output
    assert "THE MAIL WAS NOT SENT: " in done.line
    assert line in done.line
    assert "mail.eml" in done.line
    assert done.record["mail"]["state"] == "failed"
    assert line in done.record["mail"]["error"]
    assert (done.directory / "mail.eml").stat().st_size > 1000
    assert "wrong-password" not in done.output
    assert PASSWORD not in done.output


def test_a_refused_recipient(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    mailbox.refuse = {"boss@example.org"}
    done = bench.run()
    assert done.code == 7
    assert "THE MAIL WAS NOT SENT TO EVERYBODY: " in done.line and "refused boss@example.org (550" in done.line
    assert (done.record["mail"]["state"], done.record["mail"]["accepted"]) == ("failed", ["ops@example.org"])


def test_owners_and_those_who_want_failures_alone(bench: Bench, mailbox: Mailbox) -> None:
    """A night with a failure, a good one, and one of which nobody needs to hear."""
    owners = {"db01": "Bo <bo@example.org>", "backup_clients": ["boss@example.org"], "web01": ["ana@example.org"]}
    (bench.root / "owners.yml").write_text(json.dumps(owners))
    bench.settings = smtp(mailbox, mail_when="failure", owners_file="owners.yml")
    bench.hosts["db01"]["told"] = {"raise": "no such luck"}
    mailbox.refuse = {"ana@example.org"}
    done = bench.run()
    assert done.code == 7, done.output
    assert "refused ana@example.org" in done.record["mail"]["error"]
    assert mailbox.recipients == [["ops@example.org", "boss@example.org"], ["bo@example.org"]]
    own = mailbox.mails[1]
    assert own["Subject"].startswith("[backup] FAILURE: 0 ok, 1 failed, 0 skipped of 1 in ")
    assert "db01" in mailbox.text(1) and "web01" not in mailbox.text(1) and "web01" in mailbox.text()
    del bench.hosts["db01"]["told"]
    mailbox.refuse = set()
    assert bench.run().code == 0
    assert mailbox.recipients[2:] == [["ops@example.org", "boss@example.org"], ["bo@example.org"], ["ana@example.org"]]
    assert "Well again: db01 (1 run since" in mailbox.text(2) and "Nobody has heard of 1 earlier run" in mailbox.text(2)
    quiet = bench.run()
    assert (quiet.code, quiet.record["mail"]["state"], len(mailbox.mails)) == (0, "none", 5)
    (bench.root / "owners.yml").write_text(json.dumps({"wbe": "bo@example.org"}))
    typo = bench.run()
    assert typo.code == 2 and "'wbe' is neither a group nor a host of the inventory" in mailbox.text(-1)


def test_sendmail(bench: Bench) -> None:
    sendmail(bench, f"cat > {bench.root}/mail")
    assert bench.run().code == 0
    assert b"Subject: [backup] SUCCESS" in (bench.root / "mail").read_bytes()
    sendmail(bench, "echo no queue; exit 75")
    done = bench.run()
    assert done.code == 7
    assert "exited with 75: no queue" in done.line


def test_the_password_does_not_reach_the_tasks(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    del bench.settings["smtp_password"]
    seen = "seen <{{ lookup('ansible.builtin.env', 'PARANOID_REPORT_SMTP_PASSWORD') }}>"
    task = f'    - ansible.builtin.debug:\n        msg: "{seen}"\n'
    done = bench.run(playbook=PLAYBOOK + task, PARANOID_REPORT_SMTP_PASSWORD=PASSWORD)
    assert done.code == 0
    assert "seen <>" in done.output
    assert len(mailbox.mails) == 1


def test_a_full_disk_still_sends_the_mail(bench: Bench, mailbox: Mailbox) -> None:
    """The record's directory disappears while the run goes on: no user can be kept from that by permissions here."""
    bench.settings = smtp(mailbox)
    task = f"    - ansible.builtin.command: rm -r {bench.reports}\n      run_once: true\n      changed_when: true\n"
    done = bench.run(playbook=PLAYBOOK + task)
    assert done.code == 7
    assert done.record == {}
    assert mailbox.mails[0]["Subject"].startswith("[backup] FAILURE: 2 ok")
    assert "the report could not be written: " in done.line
    assert "the report could not be written" in mailbox.text()


def test_a_closed_terminal_does_not_cost_the_mail(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    bench.run()
    command = f"{Path(sys.executable).parent}/ansible-playbook -i inventory.json playbook.yml | true"
    subprocess.run(["bash", "-c", command], cwd=bench.root, stderr=subprocess.DEVNULL, timeout=300, check=False)
    assert len(mailbox.mails) == 2
