# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a run says, however its clients ended."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from report_bench import Bench, sendmail
from report_samples import COMPACT, MAINTAIN, MAINTAINED, PLAYBOOK
from tool import BIN
from waiting import wait_until

LOST = {
    "failed": True, "status": "failed", "code": "connection_lost", "reason": "the connection was lost",
    "msg": "the connection was lost", "log_tail": ["one", "\x1b[31mtwo"],
}  # fmt: skip
LOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.fail:
        msg: no disk
"""


@pytest.mark.parametrize("strategy", ["linear", "free", "serial"])
def test_every_way_a_client_can_end(bench: Bench, strategy: str) -> None:
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


def test_the_server_is_blamed_when_it_is_the_server(bench: Bench, closed_port: int) -> None:
    bench.hosts = {"web01": {"told": {"connect": True}}}
    server = f"      vars:\n        ansible_connection: ssh\n        ansible_port: {closed_port}\n"
    done = bench.run(playbook=PLAYBOOK + "      delegate_to: localhost\n" + server)
    assert done.code == 4, done.output
    session = done.client("web01")["session"]
    assert session["code"] == "server_error"
    assert "onnection refused" in session["reason"]
    assert session["reason"].startswith("Ansible cannot reach localhost, the server that would run the session: ")


def test_a_hidden_result_is_no_success(bench: Bench) -> None:
    done = bench.run(playbook=PLAYBOOK + "      no_log: true\n")
    assert done.code == 2
    assert done.client("web01")["session"]["reason"] == "no_log hides the result: remove it from the task"


def test_a_rescued_failure_is_still_a_failure(bench: Bench) -> None:
    bench.hosts["db01"]["told"] = {"returns": {"failed": True, "status": "failed", "code": "quota", "reason": "full"}}
    done = bench.run(playbook=PLAYBOOK + "      ignore_errors: true\n")
    assert (done.code, done.record["status"], done.client("db01")["state"]) == (2, "FAILURE", "failed")


def test_the_last_round_of_retries_counts(bench: Bench) -> None:
    bench.hosts["db01"]["told"] = {"only": {"failed": True, "msg": "never"}}
    done = bench.run(
        playbook=PLAYBOOK
        + "      register: result\n      until: result is succeeded\n      retries: 1\n      delay: 0\n"
    )
    assert (done.code, done.client("db01")["state"], done.client("web01")["state"]) == (2, "failed", "ok")


def test_clients_that_never_had_a_turn(bench: Bench) -> None:
    bench.hosts = {name: {"told": {"raise": "boom"}} for name in ("a", "b", "c")}
    done = bench.run(playbook=PLAYBOOK.replace("  gather_facts", "  serial: 1\n  gather_facts"))
    assert done.code == 2
    assert [client["state"] for client in done.record["clients"]] == ["failed", "planned", "planned"]
    assert "2 of 3 clients did not get a turn." in (done.directory / "report.txt").read_text()


def test_a_client_lost_before_its_session(bench: Bench) -> None:
    bench.hosts["db01"]["broken"] = True
    earlier = LOOK.replace("localhost", "all") + "      when: broken | default(false)\n"
    done = bench.run(playbook=earlier + PLAYBOOK)
    assert done.code == 2
    assert done.client("db01")["session"]["reason"] == 'in the task "Look": no disk'
    assert done.record["problems"] == []
    assert done.client("web01")["state"] == "ok"


def test_a_failure_elsewhere_is_a_problem_of_the_run(bench: Bench) -> None:
    done = bench.run(playbook=LOOK + PLAYBOOK)
    assert (done.code, done.record["status"]) == (2, "FAILURE")
    assert done.record["problems"] == ['localhost: in the task "Look": no disk']


def test_a_failure_elsewhere_that_the_playbook_rescues_is_no_problem(bench: Bench) -> None:
    tasks = """
    - block:
        - name: Look
          ansible.builtin.fail:
            msg: no disk
      rescue:
        - ansible.builtin.debug:
            msg: it is not needed
"""
    done = bench.run(playbook=LOOK.partition("    - name")[0].rstrip() + tasks + PLAYBOOK)
    assert (done.code, done.record["status"], done.record["problems"]) == (0, "SUCCESS", []), done.output


def test_limit_plans_only_what_it_names(bench: Bench) -> None:
    done = bench.run("playbook.yml", "--limit", "db01")
    assert (done.code, [client["name"] for client in done.record["clients"]]) == (0, ["db01"])


def test_several_works_of_one_run_keep_apart(bench: Bench) -> None:
    bench.hosts = {"web01": {"told": {"returns": MAINTAINED, "compact": {"size": 9, "freeable": 4, "size_after": 5}}}}
    done = bench.run(playbook=PLAYBOOK + MAINTAIN + COMPACT)
    assert done.code == 0, done.output
    works = [(client["work"], client["state"]) for client in done.record["clients"]]
    assert works == [("backup", "ok"), ("maintain", "ok"), ("compact", "ok")]
    assert done.record["tally"]["total"] == 1
    assert done.record["clients"][0]["session"]["archive"]["nfiles"] == 12345
    assert done.record["clients"][2]["session"]["compaction"]["size_after"] == 5


def test_tags_choose_the_works_but_cannot_hide_that_none_was_left(bench: Bench) -> None:
    bench.hosts = {"web01": {"told": {"returns": MAINTAINED}}}
    chosen = bench.run("playbook.yml", "--tags", "maintain", playbook=PLAYBOOK + MAINTAIN + COMPACT)
    assert [(client["work"], client["state"]) for client in chosen.record["clients"]] == [("maintain", "ok")]
    assert chosen.code == 0, chosen.output
    mistyped = bench.run("playbook.yml", "--tags", "maintian", playbook=PLAYBOOK + MAINTAIN + COMPACT)
    assert (mistyped.code, mistyped.record["tally"]["not_run"]) == (2, 1)


def test_old_runs_are_removed_after_the_report(bench: Bench) -> None:
    old = bench.run().directory
    os.utime(old / "record.json", (0, 0))
    assert bench.run("playbook.yml", "--check").code == 0
    assert old.exists()
    done = bench.run(PARANOID_REPORT_KEEP_DAYS="30")
    assert (done.code, old.exists(), done.directory.exists()) == (0, False, True)


def test_old_runs_that_cannot_be_removed_are_one_line_and_no_failure(bench: Bench) -> None:
    """Root may do all that permissions forbid, so the plugin itself is told that its disk fails."""
    old = bench.run().directory
    os.utime(old / "record.json", (0, 0))
    utils = bench.root / "ansible_collections/paranoid/backup/plugins/plugin_utils"
    source = utils.resolve()
    utils.unlink()
    shutil.copytree(source, utils)
    sound = (utils / "_record/pruning.py").read_text()
    broken = sound.replace("os.unlink(name, dir_fd=directory)", "raise OSError(5, 'Input/output error')")
    (utils / "_record/pruning.py").write_text(broken)
    done = bench.run()
    assert (done.code, done.record["status"], old.exists()) == (0, "SUCCESS", True)
    line = f"old runs in {bench.reports} could not be removed: {old.name}: Input/output error"
    assert [said for said in done.output.splitlines() if "removed" in said] == [f"paranoid.backup.report: {line}"]


def test_a_session_in_an_include_is_found(bench: Bench) -> None:
    (bench.root / "tasks.yml").write_text("- paranoid.backup.session:\n    client: x\n    verb: backup\n")
    play = "- hosts: backup_clients\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_tasks: tasks.yml\n"
    done = bench.run(playbook=play)
    assert (done.code, done.record["tally"]["succeeded"]) == (0, 2)


def test_a_killed_run_leaves_a_record_of_how_far_it_came(bench: Bench) -> None:
    bench.hosts = {"done": {}, "killer": {"told": {"sleep": 1, "signal": signal.SIGKILL}}, "last": {}}
    done = bench.run(
        "playbook.yml", "--forks", "2", playbook=PLAYBOOK.replace("  gather_facts", "  serial: 2\n  gather_facts")
    )
    assert done.code == -9
    assert (done.record["status"], done.record["finished"], done.record["mail"]["state"]) == ("RUNNING", "", "none")
    assert [client["state"] for client in done.record["clients"]] == ["ok", "running", "planned"]


def test_the_next_mail_tells_of_a_run_that_never_ended(bench: Bench) -> None:
    sendmail(bench, f"cat >> {bench.root}/mail")
    good, bench.hosts = bench.hosts, {"killer": {"told": {"signal": signal.SIGKILL}}}
    killed = bench.run()
    assert killed.code == -9 and killed.record["status"] == "RUNNING"
    assert wait_until(lambda: is_let_go(killed.directory)), "a worker of the killed run is still at work"
    bench.hosts = good
    assert bench.run("playbook.yml", "--check").code == 0, "a check run sends no mail, so it does not count"
    done = bench.run()
    name = killed.directory.name
    assert (done.code, done.record["status"]) == (0, "SUCCESS"), done.output
    (line,) = done.record["unheard"]
    assert line.startswith(f"{name} (playbook.yml, begun 20") and line.endswith(
        "it never ended: ansible-playbook was killed, or the machine went down; 1 of 1 clients had no result"
    )
    mail = (bench.root / "mail").read_text()
    assert "Nobody has heard of 1 earlier run." in mail and name in mail
    closed = json.loads((killed.directory / "record.json").read_text())
    assert (closed["status"], closed["finished"] >= closed["started"]) == ("FAILURE", True)
    assert bench.run().record["unheard"] == [], "it is told once"


def test_a_mail_that_failed_is_told_until_one_goes_out(bench: Bench) -> None:
    sendmail(bench, "echo no queue; exit 75")
    first, second = bench.run(), bench.run()
    assert (first.code, second.code, len(second.record["unheard"])) == (7, 7, 1)
    sendmail(bench, f"cat >> {bench.root}/mail")
    done = bench.run()
    assert [line.partition(" ")[0] for line in done.record["unheard"]] == [
        path.directory.name for path in sorted((first, second), key=lambda run: run.directory.name)
    ]
    assert "its mail (SUCCESS) did not reach anybody" in done.record["unheard"][0]
    assert "exited with 75: no queue" in done.record["unheard"][0]
    assert bench.run().record["unheard"] == []


def test_a_run_that_is_still_at_work_is_no_run_that_never_ended(bench: Bench) -> None:
    bench.hosts = {"web01": {}}
    within = f"{BIN}/ansible-playbook -i inventory.json inner.yml"
    task = f"    - ansible.builtin.command: {within}\n      environment: {{PARANOID_BACKUP_RUN_ID: inner}}\n"
    (bench.root / "inner.yml").write_text(PLAYBOOK)
    done = bench.run(playbook=PLAYBOOK + task)
    inner = json.loads((bench.reports / "inner" / "record.json").read_text())
    assert (done.code, inner["status"], inner["unheard"]) == (0, "SUCCESS", []), done.output


def is_let_go(directory: Path) -> bool:
    """Whether no process of a run holds its directory any more."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def inherited(number: int, action: signal.Handlers) -> Iterator[None]:
    """What is started meanwhile takes a signal like this, however these tests themselves were started."""
    before = signal.signal(number, action)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "the run was ended by SIGTERM"),
        (signal.SIGHUP, "the run was ended by SIGHUP"),
        (signal.SIGINT, "ansible-playbook ended before the run had come to its end; its output says why"),
    ],
)
def test_a_run_that_is_stopped_sends_its_mail(bench: Bench, number: int, said: str) -> None:
    bench.hosts = {"done": {}, "stopper": {"told": {"sleep": 1, "signal": number}}, "last": {}}
    sendmail(bench, f"cat >> {bench.root}/mail")
    playbook = PLAYBOOK.replace("  gather_facts", "  serial: 2\n  gather_facts")
    with inherited(number, signal.SIG_DFL):
        done = bench.run("playbook.yml", "--forks", "2", playbook=playbook)
    assert (done.code, done.record["status"], done.record["mail"]["state"]) == (99, "FAILURE", "queued"), done.output
    assert done.record["problems"] == [said]
    assert [client["state"] for client in done.record["clients"]] == ["ok", "running", "planned"]
    assert (bench.root / "mail").read_text().count("Subject: [backup] FAILURE: 1 ok, 1 failed, 1 skipped of 3") == 1
    assert "mail for ops@example.org is in this machine's own queue" in done.line


def test_a_run_that_ignores_the_end_of_its_terminal_goes_on(bench: Bench) -> None:
    bench.hosts = {"web01": {"told": {"signal": signal.SIGHUP}}}
    with inherited(signal.SIGHUP, signal.SIG_IGN):  # as nohup does
        done = bench.run()
    assert (done.code, done.record["status"]) == (0, "SUCCESS")


def test_an_error_that_ends_ansible_itself_does_not_cost_the_mail(bench: Bench) -> None:
    sendmail(bench, f"cat >> {bench.root}/mail")
    done = bench.run(playbook=PLAYBOOK + '- hosts: "{{ nothing }}"\n  tasks: []\n')
    assert (done.code, done.record["tally"]["succeeded"], done.record["status"]) == (4, 2, "FAILURE")
    assert (bench.root / "mail").read_text().count("Subject: [backup] FAILURE: 2 ok, 0 failed") == 1


def test_a_signal_while_the_mail_is_sent_does_not_send_it_twice(bench: Bench) -> None:
    sendmail(bench, f"cat >> {bench.root}/mail; kill $(ps -o ppid= -p $$); sleep 1")
    done = bench.run()
    assert (done.code, done.record["mail"]["state"]) == (-signal.SIGTERM, "pending")
    assert (bench.root / "mail").read_text().count("Subject: ") == 1


def test_a_host_has_one_name_however_odd_it_is_in_the_inventory(bench: Bench) -> None:
    bench.hosts = {"web\u202e01": {}, "two  spaces": {}, "x" * 250: {}, "<b>bold</b>": {"broken": True}}
    earlier = LOOK.replace("localhost", "all") + "      when: broken | default(false)\n"
    done = bench.run(playbook=earlier + PLAYBOOK)
    assert [(client["name"], client["state"]) for client in done.record["clients"]] == [
        ("web\\u202e01", "ok"), ("two spaces", "ok"), ("x" * 199 + "…", "ok"), ("<b>bold</b>", "failed"),
    ]  # fmt: skip
    assert (done.code, done.record["tally"]["total"], done.record["problems"]) == (2, 4, [])
    html = (done.directory / "report.html").read_text()
    assert "&lt;b&gt;bold&lt;/b&gt;" in html and "<b>" not in html and "\u202e" not in html
