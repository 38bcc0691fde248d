# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a timer starts, and what happens to it: each run ends with somebody who knows, and nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from memory_limit import memory_limit
from report_samples import PLAYBOOK
from runner_world import RunnerWorld
from schemas import check_document
from waiting import wait_until
from web_server import served_web

SLEEPER = "/bin/sleep 300.125"  # a word that only processes of these tests have


def sleepers() -> list[int]:
    """Return the processes that a run should not leave behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().replace(b"\0", b" ").startswith(SLEEPER.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def playbook_of(process: subprocess.Popen[str]) -> int:
    """Return the process of ansible-playbook below a runner."""
    (found,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(found)


def is_at_work(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for has no words any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


# A host whose task starts a process that outlives its worker, and then waits.
HANGING = """
- hosts: backup_clients
  gather_facts: false
  tasks:
    - ansible.builtin.shell: "setsid /bin/sleep 300.125 & sleep 1; touch {{ playbook_dir }}/there; sleep 300"
    - name: Back up
      paranoid.backup.session: {client: "{{ inventory_hostname }}", verb: backup}
"""


ASKING = """
- hosts: backup_clients
  gather_facts: false
  tasks:
    - paranoid.backup.roll_call:
        hosts: {web01: {client: web01, address: a}, db01: {client: db01, address: a}}
        config_dir: "{{ playbook_dir }}/nothing"
      run_once: true
      delegate_to: localhost
"""


def test_whoever_is_due_is_backed_up_once_and_the_mail_goes_out(world: RunnerWorld) -> None:
    done = world.run("run", "--due")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert [record["status"] for record in world.records()] == ["SUCCESS"]
    assert len(world.mailbox.mails) == 1 and "SUCCESS" in str(world.mailbox.mails[0]["Subject"])
    again = world.run("run", "--due")
    assert (again.returncode, len(world.records())) == (0, 1), "nobody is due any more"
    assert [path.name for path in (world.state / "logs").iterdir()] == [f"{world.records()[0]['run_id']}.log"]
    left = {path.name for path in world.state.iterdir()}
    assert left == {"logs", "limit", "pasts.json", "run.lock", "scheduled"}, left


def test_only_those_that_are_due_are_in_the_run(world: RunnerWorld) -> None:
    never = {"every": "1d", "blackout": ["2020-01-01..2099-12-31"]}
    world.configure(clients={"web01": {"every": "1h"}, "db01": never})
    assert world.run("run", "--due").returncode == 0
    assert [client["name"] for client in world.records()[0]["clients"]] == ["web01"]


def test_a_failure_that_was_mailed_is_an_exit_code_and_no_second_mail(world: RunnerWorld) -> None:
    world.bench.hosts["db01"] = {"told": {"raise": "no such luck"}}
    world.configure()
    done = world.run("run", "--due")
    assert (done.returncode, done.stderr) == (1, "")
    assert len(world.mailbox.mails) == 1 and "FAILURE" in str(world.mailbox.mails[0]["Subject"])
    status = world.run("status")
    assert "no good backup yet: db01" in status.stdout and "db01 has failed 1 times" in status.stdout
    assert world.run("run", "--due").returncode == 0, "it pauses before it tries again"
    assert len(world.records()) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_is_told_and_nothing_of_it_is_left(world: RunnerWorld, number: signal.Signals) -> None:
    world.playbook = HANGING
    world.configure()
    process = world.start("run", "--due")
    assert wait_until((world.bench.root / "there").exists, 60)
    assert sleepers()
    os.kill(playbook_of(process), number)
    _out, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert sleepers() == []
    assert len(world.mailbox.mails) == 1, "one mail, from whom it may be"
    assert "FAILURE" in str(world.mailbox.mails[0]["Subject"])
    if number == signal.SIGKILL:
        assert "it died: ansible-playbook was killed; 2 of 2 clients had no result" in said, said
        assert "it died: ansible-playbook was killed" in world.mailbox.text()
    assert world.run("run", "--due").returncode == 0, "it pauses before it tries again"
    assert len(world.records()) == 1


def test_a_worker_that_is_killed_ends_the_run_and_is_told(world: RunnerWorld) -> None:
    """As the kernel kills one for want of memory: ansible-playbook gives up, and what others have started stays."""
    world.playbook = HANGING
    world.configure()
    process = world.start("run", "--due")
    assert wait_until((world.bench.root / "there").exists, 60)
    below = playbook_of(process)
    worker, *_others = Path(f"/proc/{below}/task/{below}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    process.communicate(timeout=300)
    assert process.returncode == 1 and sleepers() == []
    assert len(world.mailbox.mails) == 1 and "FAILURE" in str(world.mailbox.mails[0]["Subject"])
    assert {client["state"] for client in world.records()[0]["clients"]} <= {"running", "planned", "failed"}


# What one of its workers would need is more than the whole run may have.
GREEDY = """
- hosts: backup_clients
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ ('x' * 4000000000) | length }}"}
      when: inventory_hostname == "web01"
    - name: Back up
      paranoid.backup.session: {client: "{{ inventory_hostname }}", verb: backup}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root limits the memory of processes")
def test_a_run_that_has_no_memory_left_is_told_and_the_next_one_works(world: RunnerWorld) -> None:
    world.playbook = GREEDY + PLAYBOOK
    world.configure()
    with memory_limit(512 * 1024**2) as limit:
        process = world.start("run", "--due", under=limit.entering)
        process.communicate(timeout=300)
        assert process.returncode == 1 and limit.kills
    assert len(world.mailbox.mails) == 1 and "FAILURE" in str(world.mailbox.mails[0]["Subject"])
    assert "The run itself had a problem" in world.mailbox.text()
    assert not {client["state"] for client in world.records()[0]["clients"]} & {"ok", "running"}
    world.playbook = PLAYBOOK
    world.configure()
    assert world.run("run").returncode == 0 and "SUCCESS" in str(world.mailbox.mails[-1]["Subject"])


def test_a_run_that_takes_too_long_is_ended_and_told(world: RunnerWorld) -> None:
    world.playbook, world.hours = HANGING, 5 / 3600
    world.configure()
    done = world.run("run", "--due")
    assert done.returncode == 1
    assert sleepers() == []
    assert len(world.mailbox.mails) == 1 and "SIGTERM" in world.mailbox.text(), world.mailbox.text()


def test_a_runner_that_was_killed_is_told_of_by_the_next(world: RunnerWorld) -> None:
    world.playbook = HANGING
    world.configure()
    process = world.start("run", "--due")
    assert wait_until((world.bench.root / "there").exists, 60)
    below = playbook_of(process)
    process.kill()
    process.communicate()
    assert is_at_work(below) and sleepers(), "what is below it goes on"
    done = world.run("run", "--due")
    assert done.returncode == 1
    assert not is_at_work(below) and sleepers() == [], "nobody would have ended it"
    assert "FAILURE" in str(world.mailbox.mails[0]["Subject"]) and "SIGTERM" in world.mailbox.text()
    assert world.run("run", "--due").returncode == 0 and len(world.mailbox.mails) == 1, "it is told once"


def test_a_runner_that_is_told_to_end_starts_nothing_more(world: RunnerWorld) -> None:
    world.playbook = HANGING
    world.configure(upkeep={"audit": {"every": "1h"}})
    process = world.start("run", "--due")
    assert wait_until((world.bench.root / "there").exists, 60)
    process.terminate()
    process.communicate(timeout=300)
    assert process.returncode == 1 and sleepers() == []
    assert len(world.records()) == 1 and len(world.mailbox.mails) == 1


def test_a_client_with_a_turn_of_its_own_is_not_called_left_out(world: RunnerWorld) -> None:
    """The first run has both; the second only the one that a person names. The server is asked for its clients."""
    world.playbook = ASKING + PLAYBOOK
    world.configure()
    assert world.run("run", "--due").returncode == 0, world.run("report").stdout
    assert world.run("run", "web01").returncode == 0
    first, second = (record["roll"] for record in world.records())
    assert first["absent"] == [] and second["absent"] == []
    world.configure(clients={"web01": {"every": "1h"}})
    assert world.run("run", "web01").returncode == 0
    assert [one["client"] for one in world.records()[-1]["roll"]["absent"]] == ["db01"], "one without a turn is"


def test_a_mail_that_some_have_is_not_sent_to_them_again(world: RunnerWorld) -> None:
    world.mailbox.refuse = {"boss@example.org"}
    (world.bench.root / "playbook.yml").write_text("- hosts: [")
    done = world.run("run", "--due")
    assert done.returncode == 1 and "refused boss@example.org" in done.stderr, done.stderr
    assert len(world.mailbox.mails) == 1 and not list((world.state).glob("spool/*"))
    assert world.run("run", "--due").returncode == 0 and len(world.mailbox.mails) == 1


def test_who_is_refused_for_now_gets_the_runners_own_mail_later(world: RunnerWorld) -> None:
    world.mailbox.delay = {"boss@example.org"}
    (world.bench.root / "playbook.yml").write_text("- hosts: [")
    done = world.run("run", "--due")
    assert done.returncode == 1 and "a mail waits in the spool and is tried again" in done.stderr, done.stderr
    world.mailbox.delay = set()
    assert world.run("run", "--due").returncode == 0
    assert world.mailbox.recipients == [["ops@example.org"], ["boss@example.org"]]
    assert world.mailbox.text(0) == world.mailbox.text(1) and not list((world.state).glob("spool/*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root mounts a disk that is full")
def test_a_full_disk_is_told_once_a_day_and_mends(world: RunnerWorld) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", world.state], check=True)
    try:
        (world.state / "full").write_bytes(b"x" * 65536)
        for _turn in range(2):
            done = world.run("run", "--due")
            assert done.returncode == 1 and "No space left on device" in done.stderr, done.stderr
            assert "Traceback" not in done.stderr
        assert len(world.mailbox.mails) == 1 and "the runner cannot work" in world.mailbox.text()
        (world.state / "trouble").unlink()
        world.mailbox.answer = "451 4.3.0 not now"
        done = world.run("run", "--due")
        assert done.returncode == 1 and "nobody could be told" in done.stderr and "cannot be kept" in done.stderr
        world.mailbox.answer = "250 OK"
        (world.state / "full").unlink()
        assert world.run("run", "--due").returncode == 0
        assert not (world.state / "trouble").exists()
    finally:
        subprocess.run(["umount", world.state], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root mounts a disk that is full")
def test_a_full_disk_below_the_records_is_told_and_mends(world: RunnerWorld) -> None:
    world.bench.reports.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", world.bench.reports], check=True)
    try:
        (world.bench.reports / "full").write_bytes(b"x" * 65536)
        done = world.run("run", "--due")
        assert done.returncode == 1 and "it left no record" in done.stderr, done.stderr
        assert "No space left on device" in world.mailbox.text()
        (world.bench.reports / "full").unlink()
        assert world.run("run").returncode == 0 and "SUCCESS" in str(world.mailbox.mails[1]["Subject"])
    finally:
        subprocess.run(["umount", world.bench.reports], check=True)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda world: (world.bench.root / "inventory.json").write_text("{"), "it left no record"),
        (lambda world: (world.bench.root / "playbook.yml").write_text("- hosts: ["), "it left no record"),
        (lambda world: world.bench.reports.write_text("a file is here"), "it left no record"),
    ],
)
def test_a_run_that_cannot_begin_is_told(world: RunnerWorld, break_it: object, said: str) -> None:
    assert callable(break_it)
    break_it(world)
    done = world.run("run", "--due")
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert said in world.mailbox.text()


def test_a_callback_that_is_not_there_is_told_by_exit_code_and_spool(world: RunnerWorld) -> None:
    """Nobody can be mailed then, for the callback has the settings."""
    (world.bench.root / "ansible_collections").rename(world.bench.root / "gone")
    done = world.run("run", "--due")
    assert done.returncode == 1
    assert "a mail waits in the spool" in done.stderr and "callback paranoid.backup.report" in done.stderr, done.stderr
    (world.bench.root / "gone").rename(world.bench.root / "ansible_collections")
    again = world.run("run", "--due")
    assert again.returncode == 0 and len(world.mailbox.mails) == 1, again.stderr
    assert list((world.state / "spool").iterdir()) == []


def test_a_mail_that_cannot_be_sent_waits_and_goes_out_later(world: RunnerWorld) -> None:
    box = world.mailbox
    box.answer = "451 4.3.0 not now"
    done = world.run("run", "--due")
    assert done.returncode == 1 and "was not delivered" in done.stderr, done.stderr
    assert box.mails == []
    box.answer = "250 OK"
    later = world.run("run", "--due")
    assert later.returncode == 0, later.stderr
    (mail,) = box.mails
    assert "its mail (SUCCESS) was not delivered" in box.text() and mail["To"] == "ops@example.org, boss@example.org"


def test_an_owner_who_could_not_be_told_gets_the_mail_later_and_once(world: RunnerWorld) -> None:
    """Whoever has it does not get it again, and the next mail names who does not."""
    box = world.mailbox
    (world.bench.root / "owners.yml").write_text(json.dumps({"db01": "ana@example.org", "web01": "bo@example.org"}))
    world.options = {"owners_file": "owners.yml"}
    world.configure()
    box.refuse, box.delay = {"ana@example.org"}, {"boss@example.org"}
    done = world.run("run", "--due")
    assert done.returncode == 1 and "waits in the spool" in done.stderr and "refused ana@example.org" in done.stderr
    assert box.recipients == [["ops@example.org"], ["bo@example.org"]], "the runner has nothing to add"
    box.delay = set()
    again = world.run("run", "--due")
    assert again.returncode == 1 and "is tried again: localhost:" in again.stderr, again.stderr
    assert box.recipients[2:] == [["boss@example.org"]] and box.mails[2]["Message-ID"] == box.mails[0]["Message-ID"]
    assert world.run("run").returncode == 1
    (waiting,) = world.records()[1]["waiting"]
    assert f"{world.records()[0]['run_id']}: its mail to ana@example.org: localhost:" in waiting
    assert "Not everybody could be told of 1 earlier run yet." in box.text(3) and "ana@" not in box.text(4)
    box.refuse = set()
    assert world.run("run", "--due").returncode == 0
    assert box.recipients[5:] == [["ana@example.org"]] * 2 and not list((world.state / "spool").iterdir())
    assert "db01" in box.text(5) and "web01" not in box.text(5)
    assert world.run("run").returncode == 0 and world.records()[-1]["waiting"] == []


def test_a_place_that_is_away_is_told_later_and_its_url_is_told_to_nobody(world: RunnerWorld) -> None:
    with served_web() as web:
        notify = world.bench.root / "notify.yml"
        notify.touch(0o600)
        notify.write_text(json.dumps([{"name": "ops", "webhook": f"http://localhost:{web.port}/token-abc"}]))
        world.configure(notify=str(notify))
        web.answer = 503
        done = world.run("run", "--due")
        (spooled,) = (world.state / "spool").iterdir()
        assert (done.returncode, len(world.mailbox.mails)) == (1, 1), done.stderr
        assert world.records()[0]["notices"] == [{"name": "ops", "state": "waiting", "error": "it answered 503"}]
        again = world.run("run", "--due")
        assert (
            again.returncode == 1
            and "a notice waits in the spool and is tried again: ops: it answered 503" in again.stderr
        )
        web.answer = 204
        later = world.run("run", "--due")
        assert (later.returncode, later.stderr) == (0, "") and not spooled.exists()
        assert json.loads(web.requests[-1][2])["run_id"] == world.records()[0]["run_id"]
    kept = [path for path in world.bench.root.rglob("*") if path.is_file() and path != notify]
    assert not [path for path in kept if b"token-abc" in path.read_bytes()]
    assert "token-abc" not in done.stdout + done.stderr + again.stderr


def test_a_digest_goes_out_once_and_is_not_lost(world: RunnerWorld) -> None:
    world.configure(digest={"every": "1w"})
    world.mailbox.answer = "451 4.3.0 not now"
    done = world.run("run", "--due")
    assert done.returncode == 1 and "the digest waits for the next wake-up: " in done.stderr, done.stderr
    world.mailbox.answer = "250 OK"
    assert world.run("run", "--due").returncode == 0
    subjects = [str(mail["Subject"]) for mail in world.mailbox.mails]
    assert len(subjects) == 2 and "digest of 7 days: 1 run, none of them a failure. All are well now." in subjects[1]
    assert "2 of 2" in world.mailbox.text(1)
    assert world.run("run", "--due").returncode == 0 and len(world.mailbox.mails) == 2, "it is told once"
    turns = json.loads(world.run("next", "--json").stdout)["turns"]
    assert [turn["failures_since"] for turn in turns if turn["verb"] == "digest"] == [0]


def test_one_run_at_a_time(world: RunnerWorld) -> None:
    world.bench.hosts["web01"] = {"told": {"sleep": 20}}
    world.configure()
    process = world.start("run", "--due")
    assert wait_until(lambda: "web01 (" in world.run("status").stdout, 60)
    run_id = json.loads(world.run("status", "--json").stdout)["current"]["run_id"]
    notes = world.bench.root / "progress"
    notes.mkdir()
    (notes / "web01").write_text(json.dumps({"run_id": run_id, "received": 5 * 2**20}))
    following = world.start("status", "--follow")
    status = world.run("status")
    assert "1 are running: web01 (" in status.stdout and ", 5.00 MiB)" in status.stdout, status.stdout
    assert world.run("run", "--due").returncode == 0, "the timer comes again later"
    second = world.run("run")
    assert second.returncode == 2 and "a run is at work already" in second.stderr
    out, said = process.communicate(timeout=300)
    assert (len(world.records()), out, said) == (1, "", ""), "a timer's run has only bad news for a pipe"
    seen, _errors = following.communicate(timeout=300)
    told = seen.splitlines()
    assert told[0].endswith(": backup begins") and "SUCCESS, 2 ok in" in told[-2], seen
    assert told[-1] == "no run is at work any more" and "web01: backup ok after 63 s, 4.88 KiB" in told


def test_what_people_ask(world: RunnerWorld) -> None:
    first = json.loads(world.run("next", "--json").stdout)
    assert {turn["client"]: turn["why"] for turn in first["turns"]} == dict.fromkeys(
        ("web01", "db01"), "it has never been done"
    )
    assert world.run("history").stdout == "there was no run yet\n"
    code, drawn = world.type("run", "web01")
    assert code == 0 and "1 ok" in drawn and "SUCCESS" in drawn.rpartition("\x1b[?25h")[2], "what stays on the screen"
    (run,) = json.loads(world.run("history", "--json").stdout)["runs"]
    assert [(client["client"], client["state"]) for client in run["clients"]] == [("web01", "ok")]
    assert "backup ok" in world.run("history", "web01").stdout
    assert "SUCCESS" in world.run("report").stdout
    assert json.loads(world.run("report", "--json").stdout)["run"]["clients"][0]["received"] == 5000
    assert world.run("status", "--follow").stdout == "no run is at work\n"
    status = json.loads(world.run("status", "--json").stdout)
    assert (status["at_work"], status["without_backup"]) == (False, ["db01"])
    assert "its turn in the window" in world.run("next", "web01").stdout


def test_words_that_nobody_takes_end_nothing(world: RunnerWorld) -> None:
    """A reader who has gone, a full disk, nothing at all: the run goes on, and whoever should be told is told."""
    (world.bench.root / "playbook.yml").write_text("- hosts: [")
    for number, lead in enumerate(("exec >&- 2>&-", "exec >/dev/full 2>&1"), 1):
        process = world.start("run", under=["sh", "-c", f'{lead}; exec "$@"', "sh"])
        assert process.communicate(timeout=300) == ("", "") and process.returncode == 1
        assert len(world.mailbox.mails) == number and "it left no record" in world.mailbox.text(number - 1)
    assert not (world.state / "current.json").exists() and (world.state / "run.lock").read_bytes() == b""
    full = world.start("status", under=["sh", "-c", 'exec >/dev/full; exec "$@"', "sh"])
    assert full.communicate()[1] == "paranoid-backup: not all could be said: No space left on device\n"
    assert full.returncode == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("next", "mars"), "mars is not among the clients"),
        (("run", "web1"), "web1 (is it web01?) is not among the clients"),
        (("history", "web1"), "web1 (is it web01?) was in no run that is still known"),
        (("run", "--due", "web01"), "cannot both be meant"),
        (("report", "20260101T000000Z-00000000"), "there is no run"),
        (("history", "--last", "0"), "a number from 1"),
        (("status", "--follow", "--json"), "cannot both be meant"),
        (("next", "\x1b[31m\nweb01\udcff"), "?[31m?web01? is not among the clients"),
    ],
)
def test_what_cannot_be_meant_is_one_line(world: RunnerWorld, words: tuple[str, ...], said: str) -> None:
    done = world.run(*words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


PAGE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "{{ backup_page_clients | default([]) }}", dest: "{{ playbook_dir }}/page.html"}
    - ansible.builtin.file: {path: "{{ backup_page_fetch }}/vault", state: directory}
      when: backup_page_fetch is defined
    - ansible.builtin.copy: {content: '{"schema": 1}', dest: "{{ backup_page_fetch }}/vault/status.json"}
      when: backup_page_fetch is defined
"""


def test_pages_are_written_after_runs_and_when_they_grow_old(world: RunnerWorld) -> None:
    book, page, note = world.bench.root / "page.yml", world.bench.root / "page.html", world.state / "page"
    book.write_text(PAGE)
    world.configure(page=str(book))
    assert world.run("run", "--due").returncode == 0
    assert page.read_text() == "[]"
    logs = sorted(path.name for path in (world.state / "logs").iterdir())
    assert logs == [f"{world.records()[0]['run_id']}.log"], "of a page that went well no log is kept"
    assert len(world.mailbox.mails) == 1, "a page is no run, and has no mail"
    page.unlink()
    assert world.run("run", "--due").returncode == 0
    assert not page.exists(), "nothing was done, and it is young"
    assert world.run("page", "web01").returncode == 0
    assert page.read_text() == '["web01"]'
    told = json.loads(world.run("page", "--json").stdout)
    check_document("page", told)
    assert told["servers"] == [{"server": "vault", "status": {"schema": 1}}]
    unknown = world.run("page", "nobody")
    assert (unknown.returncode, "nobody is not among the clients" in unknown.stderr) == (2, True)
    page.unlink()
    page.mkdir()  # Nothing can be written there any more.
    for _wake_up in range(2):
        os.utime(note, (1, 1))
        failed = world.run("run", "--due")
        assert (failed.returncode, "the page is not new any more: ansible-playbook ended" in failed.stderr) == (1, True)
    assert len(world.mailbox.mails) == 2, "somebody is told, once a day"
    assert "the page is not new any more" in str(world.mailbox.mails[1]["Subject"])
