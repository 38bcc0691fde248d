# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One ansible-playbook, by ansible-runner: started in the project, bounded in time, nothing of it left afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import ansible_runner

from paranoid_runner.children import RUN_ID, become_reaper, end_children, signal_children
from paranoid_runner.config import Config, name_places
from paranoid_runner.judgement import Ended

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 1
END_SECONDS = 90.0  # in which ansible-playbook may end its work and send its mail, after SIGTERM
LEFT_SECONDS = 20.0  # the same for what it left behind


@dataclass(frozen=True)
class Play:
    """What is started: the run's id, a playbook, the words that follow it, and what its environment has besides."""

    run_id: str
    playbook: str
    words: Sequence[str]
    environment: Mapping[str, str]


class Stop:
    """Asks for the end of a run: on a signal to the runner, or when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._given_up: float | None = None
        self.reason, self.by_signal = "", False

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember that the runner itself is to end."""
        self.by_signal = True
        self.reason = self.reason or f"the runner got {signal.Signals(number).name}"

    def is_over(self, look: Callable[[], None]) -> bool:
        """Called again and again while the run goes on: pass the wish on once, and return whether patience is over."""
        look()
        if not self.reason and time.monotonic() > self._until:
            self.reason = f"it took longer than {self._seconds / 3600:g} h (backup_runner_hours)"
        if self.reason and self._given_up is None:
            self._given_up = time.monotonic() + END_SECONDS
            signal_children(signal.SIGTERM)
        return self._given_up is not None and time.monotonic() > self._given_up


def perform(config: Config, play: Play, look: Callable[[], None]) -> Ended:
    """Run a playbook to its end, keep its output as a log, and end whatever is left of it.

    ``look`` is called about once a second meanwhile.
    """
    stop = Stop(config.hours * 3600)
    before = {number: signal.signal(number, stop.on_signal) for number in STOPS}
    code: int | None = None
    try:
        become_reaper()
        with _private_directory(config.state) as private:
            code = _play(config, play, private, lambda: stop.is_over(look))
            _keep_log(config, play.run_id, Path(private) / "artifacts" / play.run_id / "stdout")
    except (ansible_runner.AnsibleRunnerException, OSError) as error:
        stop.reason = stop.reason or f"the runner cannot start it: {error}"
    finally:
        end_children(LEFT_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(code, stop.reason, stop.by_signal)


@contextmanager
def _private_directory(state: Path) -> Iterator[str]:
    """Yield a directory for ansible-runner, whose files have the whole environment; a killed one left its own."""
    for left in state.glob("run-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=state, ignore_cleanup_errors=True) as private:
        yield private


def _play(config: Config, play: Play, private: str, is_over: Callable[[], bool]) -> int | None:
    """Return the exit code of ansible-playbook, None where a signal ended it."""
    done = ansible_runner.run(
        private_data_dir=private,
        project_dir=str(config.project),
        ident=play.run_id,
        playbook=play.playbook,
        inventory=str(config.inventory),
        cmdline=shlex.join(play.words),
        envvars=_make_environment(config, play),
        settings={"pexpect_timeout": LOOK_SECONDS},
        cancel_callback=is_over,
        quiet=True,
        suppress_env_files=True,
    )
    return done.rc if isinstance(done.rc, int) else None


def _make_environment(config: Config, play: Play) -> Mapping[str, str]:
    return {
        **play.environment,
        "PATH": f"{config.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        RUN_ID: play.run_id,
        "PARANOID_REPORT_DIR": str(config.reports),
        "PARANOID_BACKUP_SPOOL": str(config.state / "spool"),
        "ANSIBLE_CONFIG": str(config.project / "ansible.cfg"),
        **name_places(config),
        "ANSIBLE_NOCOLOR": "true",
    }


def _keep_log(config: Config, run_id: str, output: Path) -> None:
    """Keep what the run printed. Where that fails, it is said, and the run is none the worse."""
    logs = config.state / "logs"
    try:
        logs.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(output, logs / f"{run_id}.log")
        os.chmod(logs / f"{run_id}.log", 0o600)
    except OSError as error:
        sys.stderr.write(f"paranoid-backup: the output of {run_id} could not be kept: {error}\n")
