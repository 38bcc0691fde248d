# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from report_samples import PLAYBOOK

PLAYBOOKS = Path(__file__).resolve().parents[4] / "playbooks"
PASSWORD = "correct horse 'battery' $taple"

LOST = {
    "failed": True, "status": "failed", "code": "connection_lost", "reason": "the connection was lost",
    "msg": "the connection was lost", "log_tail": ["one", "\x1b[31mtwo"],
}  # fmt: skip
MAINTAINED = {
    "status": "ok",
    "maintain": {
        "named": ["1" * 64], "deleted": ["1" * 64], "kept": 30, "missing": [], "unknown": [], "check": "ok",
        "waiting": "", "plan": {"drop": [{"id": "1" * 64, "name": "old"}], "keep": []},
    },
}  # fmt: skip
LOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.fail:
        msg: no disk
"""


def smtp(box, **changes):
    return {
        "method": "smtp", "mail_from": "backup@example.org", "mail_to": "ops@example.org, boss@example.org",
        "smtp_host": "localhost", "smtp_port": str(box.port), "smtp_user": "report", "smtp_password": PASSWORD,
        "smtp_ca_file": str(box.ca_file), "timeout": "2", **changes,
    }  # fmt: skip


def sendmail(bench, body):
    program = bench.root / "sendmail"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    bench.settings = {
        "method": "sendmail",
        "mail_from": "backup@example.org",
        "mail_to": "ops@example.org",
        "sendmail_path": str(program),
    }


def test_a_good_run_is_recorded_and_mailed(bench, mailbox):
    bench.settings = smtp(mailbox, title="Acme")
    done = bench.run("-vvv", "playbook.yml")
    assert done.code == 0, done.output
    assert done.record["status"] == "SUCCESS"
    assert done.record["mail"] == {
        "state": "sent",
        "to": ["ops@example.org", "boss@example.org"],
        "error": "",
    }
    assert done.record["tally"] == {"total": 2, "succeeded": 2, "failed": 0, "skipped": 0, "not_run": 0}
    assert [(client["name"], client["state"]) for client in done.record["clients"]] == [("web01", "ok"), ("db01", "ok")]
    assert done.client("web01")["session"]["archive"]["nfiles"] == 12345
    assert f"{done.directory}/report.html; mail sent to ops@example.org, boss@example.org" in done.line
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["ops@example.org", "boss@example.org"]]
    assert mail["Subject"].startswith("[Acme] SUCCESS: 2 ok, 0 failed, 0 skipped of 2 in ")
    assert mail["X-Paranoid-Backup-Run"] == done.record["run_id"] == done.directory.name
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "All 2 clients backed up." in mail.get_body(("plain",)).get_content()
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


@pytest.mark.parametrize("strategy", ["linear", "free", "serial"])
def test_every_way_a_client_can_end(bench, strategy):
    bench.hosts = {
        "good": {}, "slow": {"told": {"sleep": 0.3}},
        "lost": {"told": {"returns": LOST}},
        "crash": {"told": {"raise": "boom"}},
        "liar": {"told": {"only": {"changed": False}}},
        "gone": {"told": {"only": {"unreachable": True, "msg": "no route"}}},
        "off": {"enabled": False},
        "later": {"told": {"returns": {"status": "skipped", "code": "fail_fast", "reason": "another client failed"}}},
        "alarmed": {"told": {"returns": {"audit": {"verdict": "alarm", "findings": ["objects are gone"]}}}},
    }  # fmt: skip
    extra = {"linear": "", "free": "  strategy: free\n", "serial": "  serial: 4\n"}[strategy]
    playbook = (
        PLAYBOOK.replace("  gather_facts: false\n", f"  gather_facts: false\n{extra}")
        + "      when: enabled | default(true)\n"
    )
    done = bench.run(playbook=playbook)
    assert done.code in (2, 4), done.output
    states = {client["name"]: client["state"] for client in done.record["clients"]}
    assert states == {
        "good": "ok", "slow": "ok", "lost": "failed", "crash": "failed", "liar": "failed", "gone": "unreachable",
        "off": "skipped", "later": "skipped", "alarmed": "failed",
    }  # fmt: skip
    reasons = {
        client["name"]: (client["session"]["code"], client["session"]["reason"]) for client in done.record["clients"]
    }
    assert reasons["lost"] == ("connection_lost", "the connection was lost")
    assert reasons["crash"][0] == "server_error"
    assert "boom" in reasons["crash"][1]
    assert reasons["liar"] == ("bad_result", "the task ended without a result that can be read")
    assert reasons["gone"] == ("unreachable", "Ansible cannot reach this host: no route")
    assert reasons["off"][1] == 'the condition "enabled | default(true)" is false'
    assert reasons["later"] == ("fail_fast", "another client failed")
    assert reasons["alarmed"][1] == "the audit raised an alarm"
    assert done.client("lost")["session"]["log_tail"] == ["one", "\\x1b[31mtwo"]
    assert done.record["tally"] == {"total": 9, "succeeded": 2, "failed": 5, "skipped": 2, "not_run": 0}


def test_the_server_is_blamed_when_it_is_the_server(bench, closed_port):
    bench.hosts = {"web01": {"told": {"connect": True}}}
    server = f"      vars:\n        ansible_connection: ssh\n        ansible_port: {closed_port}\n"
    done = bench.run(playbook=PLAYBOOK + "      delegate_to: localhost\n" + server)
    assert done.code == 4, done.output
    session = done.client("web01")["session"]
    assert session["code"] == "server_error"
    assert "onnection refused" in session["reason"]
    assert session["reason"].startswith("Ansible cannot reach localhost, the server that would run the session: ")


def test_a_hidden_result_is_no_success(bench):
    done = bench.run(playbook=PLAYBOOK + "      no_log: true\n")
    assert done.code == 2
    assert done.client("web01")["session"]["reason"] == "no_log hides the result: remove it from the task"


def test_a_rescued_failure_is_still_a_failure(bench):
    bench.hosts["db01"]["told"] = {"returns": {"failed": True, "status": "failed", "code": "quota", "reason": "full"}}
    done = bench.run(playbook=PLAYBOOK + "      ignore_errors: true\n")
    assert (done.code, done.record["status"], done.client("db01")["state"]) == (2, "FAILURE", "failed")


def test_the_last_round_of_retries_counts(bench):
    bench.hosts["db01"]["told"] = {"only": {"failed": True, "msg": "never"}}
    done = bench.run(
        playbook=PLAYBOOK
        + "      register: result\n      until: result is succeeded\n      retries: 1\n      delay: 0\n"
    )
    assert (done.code, done.client("db01")["state"], done.client("web01")["state"]) == (2, "failed", "ok")


def test_clients_that_never_had_a_turn(bench):
    bench.hosts = {name: {"told": {"raise": "boom"}} for name in ("a", "b", "c")}
    done = bench.run(playbook=PLAYBOOK.replace("  gather_facts", "  serial: 1\n  gather_facts"))
    assert done.code == 2
    assert [client["state"] for client in done.record["clients"]] == ["failed", "planned", "planned"]
    assert "2 of 3 clients did not get a turn." in (done.directory / "report.txt").read_text()


def test_a_client_lost_before_its_session(bench):
    bench.hosts["db01"]["broken"] = True
    earlier = LOOK.replace("localhost", "all") + "      when: broken | default(false)\n"
    done = bench.run(playbook=earlier + PLAYBOOK)
    assert done.code == 2
    assert done.client("db01")["session"]["reason"] == 'in the task "Look": no disk'
    assert done.record["problems"] == []
    assert done.client("web01")["state"] == "ok"


def test_a_failure_elsewhere_is_a_problem_of_the_run(bench):
    done = bench.run(playbook=LOOK + PLAYBOOK)
    assert (done.code, done.record["status"]) == (2, "FAILURE")
    assert done.record["problems"] == ['localhost: in the task "Look": no disk']


def test_no_client_matched(bench, mailbox):
    bench.settings, bench.hosts = smtp(mailbox), {}
    done = bench.run()
    assert done.code == 2, done.output
    assert mailbox.mails[0]["Subject"].startswith("[backup] FAILURE: 0 ok, 0 failed, 0 skipped of 0")
    assert "no client matched" in mailbox.mails[0].get_body(("plain",)).get_content()


def test_limit_plans_only_what_it_names(bench):
    done = bench.run("playbook.yml", "--limit", "db01")
    assert (done.code, [client["name"] for client in done.record["clients"]]) == (0, ["db01"])


def test_check_mode_is_recorded_and_not_mailed(bench, mailbox):
    bench.settings = smtp(mailbox)
    done = bench.run("playbook.yml", "--check")
    assert (done.code, done.record["check"], done.record["mail"]["state"], mailbox.mails) == (0, True, "none", [])
    assert "no mail in check mode" in done.line
    bench.settings["mail_in_check"] = "true"
    assert bench.run("playbook.yml", "--check").code == 0
    assert "can be backed up (check run" in mailbox.mails[0].get_body(("plain",)).get_content()


def test_other_playbooks_are_left_alone(bench):
    other = PLAYBOOK.replace("verb: backup", "verb: info")
    bench.settings["subject"] = "$NONSENSE"
    done = bench.run(playbook=other)
    assert (done.code, done.record) == (0, None)


WORK = """
    - name: Maintain
      paranoid.backup.session:
        client: "{{ inventory_hostname }}"
        verb: maintain
      tags: [maintain]
    - name: Compact
      paranoid.backup.compact:
        client: "{{ inventory_hostname }}"
"""


def test_a_maintenance_is_recorded_and_mailed(bench, mailbox):
    bench.settings = smtp(mailbox)
    bench.hosts["db01"]["told"] = {"only": MAINTAINED}
    done = bench.run(playbook=PLAYBOOK.replace("verb: backup", "verb: maintain"))
    assert done.code == 2, done.output  # web01 answered as a backup does, without saying what it deleted
    assert done.client("db01")["session"]["maintain"]["deleted"] == [{"id": "1" * 64, "name": "old"}]
    (mail,) = mailbox.mails
    assert mail["Subject"].startswith("[backup] maintain FAILURE: 1 ok, 1 failed, 0 skipped of 2 in ")
    text = mail.get_body(("plain",)).get_content()
    assert "client  status" in text and "deleted  kept  unknown  missing  check" in text
    assert "original" not in text


def test_several_works_of_one_run_keep_apart(bench):
    bench.hosts = {"web01": {"told": {"returns": MAINTAINED, "compact": {"size": 9, "freeable": 4, "size_after": 5}}}}
    done = bench.run(playbook=PLAYBOOK + WORK)
    assert done.code == 0, done.output
    works = [(client["work"], client["state"]) for client in done.record["clients"]]
    assert works == [("backup", "ok"), ("maintain", "ok"), ("compact", "ok")]
    assert done.record["tally"]["total"] == 1
    assert done.record["clients"][0]["session"]["archive"]["nfiles"] == 12345
    assert done.record["clients"][2]["session"]["compaction"]["size_after"] == 5


def test_tags_choose_the_works_but_cannot_hide_that_none_was_left(bench):
    bench.hosts = {"web01": {"told": {"returns": MAINTAINED}}}
    chosen = bench.run("playbook.yml", "--tags", "maintain", playbook=PLAYBOOK + WORK)
    assert [(client["work"], client["state"]) for client in chosen.record["clients"]] == [("maintain", "ok")]
    assert chosen.code == 0, chosen.output
    mistyped = bench.run("playbook.yml", "--tags", "maintian", playbook=PLAYBOOK + WORK)
    assert (mistyped.code, mistyped.record["tally"]["not_run"]) == (2, 1)


def test_a_compaction_that_raises_an_alarm(bench, mailbox):
    alarm = {"failed": True, "code": "alarm", "msg": "ALARM: web01's repository is not as it was left, it is frozen: x"}
    bench.settings, bench.hosts = smtp(mailbox), {"web01": {"told": {"compact": alarm}}}
    compact = "- hosts: backup_clients\n  gather_facts: false\n  tasks:\n" + WORK[WORK.index("    - name: Compact") :]
    done = bench.run(playbook=compact)
    assert done.code == 2
    assert mailbox.mails[0]["Subject"].startswith("[backup] compact ALARM: 0 ok, 1 failed")
    text = mailbox.mails[0].get_body(("plain",)).get_content()
    assert text.startswith("ALARM: web01's repository is not as it was left, it is frozen: x")


def test_old_runs_are_removed_after_the_report(bench):
    old = bench.run().directory
    os.utime(old / "record.json", (0, 0))
    assert bench.run("playbook.yml", "--check").code == 0
    assert old.exists()
    done = bench.run(PARANOID_REPORT_KEEP_DAYS="30")
    assert (done.code, old.exists(), done.directory.exists()) == (0, False, True)


def test_old_runs_that_cannot_be_removed_are_one_line_and_no_failure(bench):
    """Root may do all that permissions forbid, so the plugin itself is told that its disk fails."""
    old = bench.run().directory
    os.utime(old / "record.json", (0, 0))
    utils = bench.root / "ansible_collections/paranoid/backup/plugins/plugin_utils"
    source = utils.resolve()
    utils.unlink()
    shutil.copytree(source, utils)
    sound = (utils / "_prune.py").read_text()
    broken = sound.replace("os.unlink(name, dir_fd=directory)", "raise OSError(5, 'Input/output error')")
    (utils / "_prune.py").write_text(broken)
    done = bench.run()
    assert (done.code, done.record["status"], old.exists()) == (0, "SUCCESS", True)
    line = f"old runs in {bench.reports} could not be removed: {old.name}: Input/output error"
    assert [said for said in done.output.splitlines() if "removed" in said] == [f"paranoid.backup.report: {line}"]


def test_a_session_in_an_include_is_found(bench):
    (bench.root / "tasks.yml").write_text("- paranoid.backup.session:\n    client: x\n    verb: backup\n")
    play = "- hosts: backup_clients\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_tasks: tasks.yml\n"
    done = bench.run(playbook=play)
    assert (done.code, done.record["tally"]["succeeded"]) == (0, 2)


@pytest.mark.parametrize("name", ["backup", "maintain", "compact", "audit"])
@pytest.mark.parametrize("limit", [(), ("--limit", "db01"), ("--tags", "nonsense")])
def test_without_the_callback_the_playbooks_refuse(bench, name, limit):
    """A run id that somebody set, as a timer of systemd may, does not stand for the callback."""
    arguments = (f"{PLAYBOOKS}/{name}.yml", *limit, "-e", "backup_client_server=localhost")
    done = bench.run(*arguments, enabled=False, PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert (done.code, done.record) == (2, None)
    assert "the callback paranoid.backup.report is not active" in " ".join(done.output.split())
    assert "TASK [Refuse a run without the report]" in done.output and done.output.count("TASK [") == 2


def test_with_the_callback_the_playbooks_begin(bench):
    for limit, clients in (((), ["web01", "db01"]), (("--limit", "db01"), ["db01"])):
        done = bench.run(f"{PLAYBOOKS}/backup.yml", *limit, "-e", "backup_client_server=localhost")
        assert (done.code, [client["name"] for client in done.record["clients"]]) == (0, clients), done.output


def test_an_inventory_without_clients_is_refused_and_mailed(bench, mailbox):
    bench.settings, bench.hosts = smtp(mailbox), {}
    done = bench.run(f"{PLAYBOOKS}/compact.yml")
    assert (done.code, done.record["status"]) == (2, "FAILURE")
    text = " ".join(mailbox.mails[0].get_body(("plain",)).get_content().split())
    assert "the inventory has no host in the group backup_clients" in text


def test_a_run_id_from_outside_is_used_once(bench):
    done = bench.run(PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert (done.code, done.record["run_id"]) == (0, "20261121T063000Z-cafe")
    again = bench.run(PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert again.code == 7
    assert "already has a record: PARANOID_BACKUP_RUN_ID in the environment must be new for each run" in again.output
    wrong = bench.run(PARANOID_BACKUP_RUN_ID="../../etc")
    assert (wrong.code, "it must be at most 64 letters, digits" in wrong.output) == (7, True)


def test_two_playbooks_are_two_runs(bench):
    done = bench.run("playbook.yml", "playbook.yml")
    assert done.code == 0
    assert len(list(bench.reports.iterdir())) == 2


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"smtp_password": "wrong-password"}, "the login of report was refused: 535"),
        ({"smtp_port": "CLOSED"}, "Connection refused"),
        ({"smtp_port": "MUTE", "timeout": "1"}, "no answer within 1 s"),
        ({"smtp_ca_file": "OTHER"}, "certificate is not trusted"),
    ],
)
def test_a_mail_that_cannot_be_sent(bench, mailbox, closed_port, mute_port, other_certificate, changes, line):
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


def test_a_refused_recipient(bench, mailbox):
    bench.settings = smtp(mailbox)
    mailbox.refuse = {"boss@example.org"}
    done = bench.run()
    assert done.code == 7
    assert "refused boss@example.org (550" in done.line


def test_sendmail(bench):
    sendmail(bench, f"cat > {bench.root}/mail")
    assert bench.run().code == 0
    assert b"Subject: [backup] SUCCESS" in (bench.root / "mail").read_bytes()
    sendmail(bench, "echo no queue; exit 75")
    done = bench.run()
    assert done.code == 7
    assert "exited with 75: no queue" in done.line


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"method": "smtp"}, "method smtp needs mail_from and mail_to"),
        ({"method": "pigeon"}, "method: 'pigeon' is not one of smtp, sendmail, none"),
        ({"method": "none", "timeout": "soon"}, "timeout: 'soon' is not a whole number"),
        ({"method": "none", "subject": "$NONSENSE"}, "subject: NONSENSE has no meaning there"),
    ],
)
def test_a_wrong_option_ends_the_run_before_it_begins(bench, settings, line):
    bench.settings = settings
    done = bench.run()
    assert done.code == 7
    assert line in done.output
    assert "; set " in done.output and " under [callback_paranoid_backup_report] in ansible.cfg, or as " in done.output
    assert "Nothing was started" in done.output
    assert "PLAY [" not in done.output
    assert "Traceback" not in done.output


def test_a_record_that_cannot_be_written_ends_the_run_before_it_begins(bench):
    done = bench.run(PARANOID_REPORT_DIR="/proc/nothing")
    assert done.code == 7
    assert "the record cannot be written below report_dir: " in done.output
    assert "or as PARANOID_REPORT_DIR in the environment. Nothing was started." in done.output
    assert "PLAY [" not in done.output


def test_the_password_does_not_reach_the_tasks(bench, mailbox):
    bench.settings = smtp(mailbox)
    del bench.settings["smtp_password"]
    seen = "seen <{{ lookup('ansible.builtin.env', 'PARANOID_REPORT_SMTP_PASSWORD') }}>"
    task = f'    - ansible.builtin.debug:\n        msg: "{seen}"\n'
    done = bench.run(playbook=PLAYBOOK + task, PARANOID_REPORT_SMTP_PASSWORD=PASSWORD)
    assert done.code == 0
    assert "seen <>" in done.output
    assert len(mailbox.mails) == 1


def test_a_full_disk_still_sends_the_mail(bench, mailbox):
    """The record's directory disappears while the run goes on: no user can be kept from that by permissions here."""
    bench.settings = smtp(mailbox)
    task = f"    - ansible.builtin.command: rm -r {bench.reports}\n      run_once: true\n      changed_when: true\n"
    done = bench.run(playbook=PLAYBOOK + task)
    assert done.code == 7
    assert done.record is None
    assert mailbox.mails[0]["Subject"].startswith("[backup] FAILURE: 2 ok")
    assert "the report could not be written" in mailbox.mails[0].get_body(("plain",)).get_content()


def test_a_defect_of_the_plugin_is_not_silent(bench):
    plugins = bench.root / "ansible_collections" / "paranoid" / "backup" / "plugins"
    source = (plugins / "callback" / "report.py").read_text()
    (plugins / "callback").unlink()
    (plugins / "callback").mkdir()
    (plugins / "callback" / "report.py").write_text(source.replace("self._observer.started(host, task)", "1 / 0"))
    done = bench.run()
    assert done.code == 7
    assert "paranoid.backup.report failed in v2_runner_on_start: ZeroDivisionError" in done.output
    assert done.record["status"] == "FAILURE"
    assert "ZeroDivisionError" in done.record["problems"][0]


def test_a_killed_run_leaves_a_record_of_how_far_it_came(bench):
    bench.hosts = {"done": {}, "killer": {"told": {"sleep": 1, "kill_parent": True}}, "last": {}}
    done = bench.run(
        "playbook.yml", "--forks", "2", playbook=PLAYBOOK.replace("  gather_facts", "  serial: 2\n  gather_facts")
    )
    assert done.code == -9
    assert (done.record["status"], done.record["finished"], done.record["mail"]["state"]) == ("RUNNING", "", "none")
    assert [client["state"] for client in done.record["clients"]] == ["ok", "running", "planned"]


def test_a_closed_terminal_does_not_cost_the_mail(bench, mailbox):
    bench.settings = smtp(mailbox)
    bench.run()
    command = f"{Path(sys.executable).parent}/ansible-playbook -i inventory.json playbook.yml | true"
    subprocess.run(["bash", "-c", command], cwd=bench.root, stderr=subprocess.DEVNULL, timeout=60, check=False)
    assert len(mailbox.mails) == 2
