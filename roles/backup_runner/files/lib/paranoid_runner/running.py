# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup run, maintain, compact, audit, drill: one run from the lock to the last word about it."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_runner.children import end_run
from paranoid_runner.config import DIGEST, UPKEEP, Config, load_config
from paranoid_runner.documents import describe_pages, to_json
from paranoid_runner.errors import UsageError, guess, printable
from paranoid_runner.files import write_whole
from paranoid_runner.following import CURRENT, following, make_display
from paranoid_runner.judgement import Ended, find_silence, find_waiting, is_good
from paranoid_runner.locking import hold_lock, now
from paranoid_runner.logs import keep_logs, read_log
from paranoid_runner.paging import Wanted, is_old, read_pages, write_pages
from paranoid_runner.pasts import ALL, gather_pasts, note_digest, note_run
from paranoid_runner.plan import Planned, find_fresh, list_scheduled, plan
from paranoid_runner.records import load_record
from paranoid_runner.schedule.rules import DAY
from paranoid_runner.telling import Notice, send_digest, send_spooled, tell

GOOD, BAD = 0, 1
DRILL = "drill"
LEFT_SECONDS = 90.0  # for what a dead runner has left: it may have a mail to send


@dataclass(frozen=True)
class Job:
    """What one run is to do: a verb, for these clients (all where there are none)."""

    verb: str
    clients: Sequence[str] = ()


def start(options: argparse.Namespace) -> int:
    """Start what was typed."""
    config = _configure(options)
    if options.due and options.clients:
        raise UsageError("--due and names cannot both be meant")
    job = Job(options.verb, options.clients)
    return work(config, lambda: run_due(config) if options.due else run_now(config, job))


def start_page(options: argparse.Namespace) -> int:
    """Have the servers write their pages now."""
    config = _configure(options)
    if not config.page:
        raise UsageError("the runner knows of no page: run the role backup_runner again")
    return work(config, lambda: page_now(config, options.clients, options.json))


def _configure(options: argparse.Namespace) -> Config:
    """Return the configuration; UsageError if a client was typed that it does not have."""
    config = load_config(options.config) if options.config else load_config()
    unknown = sorted(set(options.clients) - set(config.clients))
    if unknown:
        name = f"{unknown[0]}{guess(unknown[0], config.clients)}"
        raise UsageError(f"{name} is not among the clients that the runner knows: look at the inventory")
    return config


def run_due(config: Config) -> int:
    """Tell what is left to tell, then start whatever is due, one verb after the other; return the exit code."""
    with hold_lock(config) as held:
        if not held:
            return GOOD  # A run is at work: the next wake-up looks again.
        codes = [settle_dead(config), _complain(send_spooled(config))]
        planned = plan(config, gather_pasts(config, remember=True), now())
        jobs = make_jobs([one for one in planned if one.turn.is_due(now())])
        for job in jobs:
            code, goes_on = run(config, job, is_silent=True)
            codes.append(code)
            if not goes_on:
                return max(codes)
        codes += [_tell_digest(config, planned), _page(config) if jobs or is_old(config) else GOOD]
        return max(codes)


def _tell_digest(config: Config, planned: Sequence[Planned]) -> int:
    """Send the mail about the last days if it is due. Where that fails it is due at the next wake-up as well."""
    due = [one for one in planned if one.verb == DIGEST and one.turn.is_due(now())]
    if not due or not config.digest:
        return GOOD
    last = due[0].past.succeeded
    about = max(config.digest.every, now() - last if last else DAY)
    problem = send_digest(config, about, find_fresh(config, planned, now()))
    if not problem:
        note_digest(config, now())
    return _complain(problem)


def run_now(config: Config, job: Job) -> int:
    """Start what a person asked for."""
    with hold_lock(config) as held:
        if not held:
            raise UsageError("a run is at work already: paranoid-backup status shows it")
        before = settle_dead(config)
        code, goes_on = run(config, job, is_silent=False)
        return max(before, code, _page(config) if goes_on else GOOD)


def page_now(config: Config, clients: Sequence[str], is_json: bool = False) -> int:
    """Write the pages that a person asked for, and print what they say if it is for a program."""
    with hold_lock(config) as held:
        if not held:
            raise UsageError("a run is at work, and writes the page when it ends: paranoid-backup status shows it")
        if not is_json:
            return _page(config, clients)
        with tempfile.TemporaryDirectory(prefix="paranoid-backup-page-") as place:
            code = _page(config, clients, place)
            sys.stdout.write(f"{to_json(describe_pages(read_pages(Path(place))))}\n")
            return code


def work(config: Config, start: Callable[[], int]) -> int:
    """Return what START returns. Where the runner's own files cannot be written, somebody is told, once a day."""
    note = config.state / "trouble"
    try:
        code = start()
        note.unlink(missing_ok=True)
        return code
    except OSError as error:
        line = f"the runner cannot work: {error.strerror or error}: {error.filename or config.state}"
        sys.stderr.write(f"paranoid-backup: {line}\n")
        _complain(tell(config, Notice(make_run_id(), line)) if _is_news(note) else "")
        return BAD


def make_jobs(due: Sequence[Planned]) -> list[Job]:
    """Return one run for all clients that are due, and one for each other verb."""
    clients = [one.client for one in due if one.verb == "backup"]
    return [Job("backup", clients)] * bool(clients) + [Job(one.verb) for one in due if one.verb in UPKEEP]


def run(config: Config, job: Job, is_silent: bool) -> tuple[int, bool]:
    """Perform one run while the lock is held, and have somebody told; return its code, and whether to go on.

    A terminal is shown how it stands; a pipe as well, unless it is to hear only of what is wrong.
    """
    run_id, display = make_run_id(), make_display(is_silent)
    mark = {"run_id": run_id, "verb": job.verb, "chosen": list(job.clients)}
    write_whole(config.state / CURRENT, json.dumps(mark).encode())
    try:
        perform, play = _load_player()
    except UsageError as error:
        return settle(config, job, run_id, Ended(None, f"the runner cannot start it: {error}")), True
    words, environment = _limit(config, job), _write_scheduled(config)
    with following(config, run_id, display) as look:
        ended = perform(config, play(run_id, config.playbooks[job.verb], words, environment), look)
    code = settle(config, job, run_id, ended)
    keep_logs(config)
    return code, not ended.is_last


def settle(config: Config, job: Job, run_id: str, ended: Ended) -> int:
    """Count what a run came to, tell of it where the callback could not, and remove its mark; return the exit code."""
    record = load_record(config.reports, run_id)
    silence = find_silence(ended, record)
    if silence:
        line = f"{job.verb} run {run_id}: {silence}"
        sys.stderr.write(f"paranoid-backup: {printable(line)}\n")
        _complain(tell(config, Notice(run_id, line, read_log(config, run_id))))
    elif waiting := find_waiting(record):
        sys.stderr.write(f"paranoid-backup: {job.verb} run {run_id}: {printable(waiting)}\n")
    everybody = job.clients or (config.clients if job.verb == "backup" else [ALL])
    note_run(config, run_id, [(job.verb, client) for client in everybody], now())
    (config.state / CURRENT).unlink()
    return GOOD if is_good(ended, record) else BAD


def settle_dead(config: Config) -> int:
    """Settle a run whose runner was killed, or whose machine went down: its mark is still there.

    What went on without its runner is ended first: nobody would end it any more, and it may still tell of itself.
    """
    try:
        found = json.loads((config.state / CURRENT).read_bytes())
        job, run_id = Job(str(found["verb"]), [str(name) for name in found["chosen"]]), str(found["run_id"])
        end_run(run_id, LEFT_SECONDS)
    except FileNotFoundError:
        return GOOD
    except (OSError, ValueError, KeyError, TypeError):
        job, run_id = Job("backup"), make_run_id()
    return settle(config, job, run_id, Ended(None, "the runner itself was killed, or the machine went down"))


def _load_player() -> tuple[Any, Any]:
    """Return what plays a playbook; it is imported when one is played, for mostly nothing is due."""
    try:
        from paranoid_runner.playing import Play, perform
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: run the role backup_runner") from None
    return perform, Play


def _limit(config: Config, job: Job) -> list[str]:
    """Return the words that limit a run to its clients: a file, for there may be thousands.

    drill.yml does nothing to clients that nobody names.
    """
    names = job.clients or (config.clients if job.verb == DRILL else ())
    if not names:
        return []
    path = config.state / "limit"
    write_whole(path, "".join(f"{name}\n" for name in names).encode())
    return ["--limit", f"@{path}"]


def _write_scheduled(config: Config) -> Mapping[str, str]:
    """Write down who has a turn of his own, and return what tells the callback: it does not call them left out."""
    path = config.state / "scheduled"
    planned = plan(config, gather_pasts(config, remember=True), now())
    write_whole(path, "".join(f"{name}\n" for name in list_scheduled(config, planned, now())).encode())
    digest = next((one.past.succeeded for one in planned if one.verb == DIGEST), None)
    told = {"PARANOID_BACKUP_DIGEST": digest.isoformat()} if digest else {}
    return {"PARANOID_BACKUP_SCHEDULED": str(path), **told}


def _page(config: Config, clients: Sequence[str] = (), fetch: str = "") -> int:
    """Have the servers write their pages; where that fails, somebody is told, once a day.

    A directory ``fetch`` gets them, each in one of its server's name.
    """
    if not config.page:
        return GOOD
    run_id, note = make_run_id(), config.state / "page-trouble"
    problem = write_pages(config, Wanted(clients, fetch), run_id, _load_player())
    if not problem:
        note.unlink(missing_ok=True)
        return GOOD
    line = f"the page is not new any more: {problem}"
    sys.stderr.write(f"paranoid-backup: {line}\n")
    if _is_news(note):
        _complain(tell(config, Notice(run_id, line, read_log(config, run_id))))
    return BAD


def make_run_id() -> str:
    """Return an id that sorts by time."""
    return f"{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _is_news(note: Path) -> bool:
    """Whether this was not told in the last day. The note is empty: mostly a full disk takes that as well.

    One that a clock made ahead of the present says nothing.
    """
    with suppress(OSError):
        if note.exists() and 0 <= time.time() - note.stat().st_mtime < DAY.total_seconds():
            return False
        note.touch()
    return True


def _complain(problem: str) -> int:
    """Say what is wrong with a mail, if anything is; return the exit code that comes of it."""
    if problem:
        sys.stderr.write(f"paranoid-backup: {problem}\n")
    return BAD if problem else GOOD
