# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs may begin, and that what is wrong with a run or with the callback is never silent."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from report_bench import Bench
from report_samples import PLAYBOOK
from tool import ROOT

PLAYBOOKS = ROOT / "playbooks"


def test_without_the_callback_a_playbook_refuses(bench: Bench) -> None:
    """Neither a limit, nor tags, nor a run id that somebody set, as a timer of systemd may, stand for the callback."""
    arguments = (f"{PLAYBOOKS}/backup.yml", "--limit", "db01", "--tags", "nonsense", "-e", "backup_client_server=x")
    done = bench.run(*arguments, enabled=False, PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert (done.code, done.record) == (2, {})
    assert "the callback paranoid.backup.report is not active" in " ".join(done.output.split())
    assert re.findall(r"TASK \[(.*?)\]", done.output)[-1] == "Refuse a run without the report"


OTHER_CALLBACK = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree"}
BY_HAND = {"PARANOID_BACKUP_REPORTED": "20261121T063000Z-cafe"}


@pytest.mark.parametrize(
    ("name", "task", "arguments", "env"),
    [
        ("backup", "Back up", ("--skip-tags", "always"), {}),
        ("backup", "Back up", ("--start-at-task", "Back up"), {}),
        ("backup", "Back up", (), BY_HAND),
        ("backup", "Back up", ("--skip-tags", "always"), OTHER_CALLBACK),
        ("maintain", "Maintain", ("--skip-tags", "always"), {}),
        ("compact", "Compact", ("--start-at-task", "Compact"), BY_HAND),
        ("audit", "Audit", ("--check", "--skip-tags", "always"), {}),
    ],
)
def test_without_the_callback_no_option_starts_the_work(
    bench: Bench, name: str, task: str, arguments: tuple[str, ...], env: dict[str, str]
) -> None:
    """Each of these gets round the first play, which would refuse; the task itself does not let it pass."""
    bench.use_real_tasks()
    playbook, where = str(PLAYBOOKS / f"{name}.yml"), ("-e", "backup_client_server=localhost")
    done = bench.run(playbook, *where, *arguments, enabled=False, **env)
    said = " ".join(done.output.split())
    assert (done.code, done.record) == (2, {}), done.output
    assert re.findall(r"TASK \[(.*?)\]", done.output)[-1] == task
    assert "Nothing was started, for nobody would hear of it" in said
    why = "ANSIBLE_CALLBACKS_ENABLED in the environment replaces" if env is OTHER_CALLBACK else "is not active"
    assert why in said and "Traceback" not in said


def test_work_that_the_callback_cannot_see_is_refused(bench: Bench) -> None:
    """A verb that only a variable knows makes no run, so it gets no report either."""
    bench.use_real_tasks()
    hidden = PLAYBOOK.replace("verb: backup", "verb: \"{{ 'backup' }}\"")
    done = bench.run(playbook=hidden)
    assert (done.code, done.record) == (2, {}), done.output
    assert "write the verb of the task out" in " ".join(done.output.split())
    followed = PLAYBOOK.replace("backup_clients", "web01").replace("verb: backup", "verb: maintain")
    beside = bench.run(playbook=followed + "      ignore_errors: true\n" + hidden.replace("backup_clients", "db01"))
    assert beside.code == 2 and "does not follow this task: write its verb out" in " ".join(beside.output.split())


def test_with_the_callback_the_work_is_let_through(bench: Bench) -> None:
    bench.use_real_tasks()
    done = bench.run(f"{PLAYBOOKS}/backup.yml", "-e", "backup_client_server=localhost", "--skip-tags", "always")
    assert {client["session"]["code"] for client in done.record["clients"]} == {"not_provisioned"}, done.output


@pytest.mark.parametrize("option", ["--list-tasks", "--list-hosts", "--list-tags", "--syntax-check"])
def test_a_list_is_no_run(bench: Bench, option: str) -> None:
    for enabled in (True, False):
        assert (bench.run(f"{PLAYBOOKS}/backup.yml", option, enabled=enabled).code, bench.reports.exists()) == (
            0,
            False,
        )


@pytest.mark.parametrize(
    "arguments", [("--start-at-task", "No such task"), ("--skip-tags", "always,backup", "--tags", "x")]
)
def test_options_that_leave_nothing_to_do_are_a_failure(bench: Bench, arguments: tuple[str, ...]) -> None:
    done = bench.run("playbook.yml", *arguments)
    assert done.code != 0 and (done.record["status"], done.record["tally"]["not_run"]) == ("FAILURE", 2), done.output


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("site", ()),
        ("site", ("--limit", "other")),
        ("wheelhouse", ()),
        ("info", ()),
        ("unfreeze", ("--limit", "other")),
        ("rollback", ("--limit", "other")),
        ("restore_list", ("--limit", "other")),
    ],
)
def test_a_play_without_hosts_is_an_error(bench: Bench, name: str, arguments: tuple[str, ...]) -> None:
    """To Ansible it is none; here it means that nothing was done, as with a misspelt group."""
    bench.use_real_tasks()
    bench.inventory = "hosts.yml"
    (bench.root / "hosts.yml").write_text("backup_cleints: {hosts: {web1: }}\nothers: {hosts: {other: }}\n")
    done = bench.run(f"{PLAYBOOKS}/{name}.yml", *arguments)
    assert done.code == 2 and "nothing would be done; look at inventory and --limit" in " ".join(done.output.split())


def test_words_that_nobody_reads_are_an_error(bench: Bench) -> None:
    """A misspelt variable would bring back another archive, or to another place; a misspelt host would stay away."""
    bench.use_real_tasks()
    wrong = ("--limit", "web01,db02,!wbe01", "--tags", "prov", "-e", "backup_restore_pahts=etc")
    (bench.root / "more.json").write_text('{"backup_restore_too": "/root/old"}')
    done = bench.run(f"{PLAYBOOKS}/backup.yml", *wrong, "-e", "@more.json", "-e", "backup_client_server=localhost")
    said = " ".join(done.output.split())
    assert done.code == 2 and re.findall(r"TASK \[(.*?)\]", done.output)[-1].startswith("Refuse variables, tags"), said
    for word in ("backup_restore_pahts (is it", "_too (is it backup_restore_to?)", "tag prov", "is db02", "is wbe01"):
        assert word in said
    given = {"backup_restore_databases": [{"name": "shop", "replce": True}]}
    done = bench.run(f"{PLAYBOOKS}/restore.yml", "--limit", "web01", "-e", json.dumps(given))
    assert re.findall(r"TASK \[(.*?)\]", done.output)[-1] == "Refuse words that would have no effect", done.output
    runner = str(bench.root / "scheduled")
    chosen = ("--limit", "web01,gone", "-e", "backup_client_server=localhost")
    left = bench.run(f"{PLAYBOOKS}/backup.yml", *chosen, PARANOID_BACKUP_SCHEDULED=runner)
    assert "is gone" not in left.output and {one["name"] for one in left.record["clients"]} == {"web01"}


def test_every_playbook_of_the_report_begins_with_that_refusal() -> None:
    """One without a condition or a tag of its own; the playbooks are those with a task that belongs in a report.

    A person watches the last backup of a client that goes, and it fails before anything is set aside.
    """
    work = re.compile(r"verb: (backup|maintain)\b|paranoid\.backup\.(compact|audit):")
    reported = {
        path.stem: yaml.safe_load(path.read_text())
        for path in PLAYBOOKS.glob("*.yml")
        if work.search(path.read_text()) and path.stem != "decommission"
    }
    assert {"backup", "maintain", "compact", "audit"} <= reported.keys()
    for name, (first, *_plays) in reported.items():
        assert first.keys() - {"vars"} == {"name", "ansible.builtin.import_playbook"}, name
        assert first["ansible.builtin.import_playbook"] == "preflight.yml", name


def test_with_the_callback_the_playbooks_begin(bench: Bench) -> None:
    for limit, clients in (((), ["web01", "db01"]), (("--limit", "db01"), ["db01"])):
        done = bench.run(f"{PLAYBOOKS}/backup.yml", *limit, "-e", "backup_client_server=localhost")
        assert (done.code, [client["name"] for client in done.record["clients"]]) == (0, clients), done.output


def test_a_run_id_from_outside_is_used_once(bench: Bench) -> None:
    done = bench.run(PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert (done.code, done.record["run_id"]) == (0, "20261121T063000Z-cafe")
    again = bench.run(PARANOID_BACKUP_RUN_ID="20261121T063000Z-cafe")
    assert again.code == 7
    assert "already has a record: PARANOID_BACKUP_RUN_ID in the environment must be new for each run" in again.output
    wrong = bench.run(PARANOID_BACKUP_RUN_ID="../../etc")
    assert (wrong.code, "it must be at most 64 letters, digits" in wrong.output) == (7, True)


def test_two_playbooks_are_two_runs(bench: Bench) -> None:
    done = bench.run("playbook.yml", "playbook.yml")
    assert done.code == 0
    assert len(list(bench.reports.iterdir())) == 2


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"method": "smtp"}, "method smtp needs mail_from and mail_to"),
        ({"method": "pigeon"}, "method: 'pigeon' is not one of smtp, sendmail, none"),
        ({"method": "none", "timeout": "soon"}, "timeout: 'soon' is not a whole number"),
        ({"method": "none", "subject": "$NONSENSE"}, "subject: NONSENSE has no meaning there"),
    ],
)
def test_a_wrong_option_ends_the_run_before_it_begins(bench: Bench, settings: dict[str, str], line: str) -> None:
    bench.settings = settings
    done = bench.run()
    assert done.code == 7
    assert line in done.output
    assert "; set " in done.output and " under [callback_paranoid_backup_report] in ansible.cfg, or as " in done.output
    assert "Nothing was started" in done.output
    assert "PLAY [" not in done.output
    assert "Traceback" not in done.output


def test_a_record_that_cannot_be_written_ends_the_run_before_it_begins(bench: Bench) -> None:
    done = bench.run(PARANOID_REPORT_DIR="/proc/nothing")
    assert done.code == 7
    assert "the record cannot be written below report_dir /proc/nothing: " in done.output
    assert "or as PARANOID_REPORT_DIR in the environment. Nothing was started." in done.output
    assert "PLAY [" not in done.output


def test_other_playbooks_are_left_alone(bench: Bench) -> None:
    other = PLAYBOOK.replace("verb: backup", "verb: info")
    bench.settings["subject"] = "$NONSENSE"
    done = bench.run(playbook=other)
    assert (done.code, done.record) == (0, {})


def test_a_defect_of_the_plugin_is_not_silent(bench: Bench) -> None:
    plugins = bench.root / "ansible_collections" / "paranoid" / "backup" / "plugins"
    source = (plugins / "callback" / "report.py").read_text()
    (plugins / "callback").unlink()
    (plugins / "callback").mkdir()
    (plugins / "callback" / "report.py").write_text(source.replace("self.reporter.note_start(host, task)", "1 / 0"))
    done = bench.run()
    assert done.code == 7
    assert "paranoid.backup.report failed in v2_runner_on_start: ZeroDivisionError" in done.output
    assert done.record["status"] == "FAILURE"
    assert "ZeroDivisionError" in done.record["problems"][0]
