# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One ansible-playbook, by ansible-runner: started in the project, bounded in time, nothing of it left afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import ansible_runner

from paranoid_runner.children import become_reaper, end_children, signal_children
from paranoid_runner.config import Config
from paranoid_runner.judgement import Ended

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_SECONDS = 1
END_SECONDS = 90.0  # in which ansible-playbook may end its work and send its mail, after SIGTERM
LEFT_SECONDS = 20.0  # the same for what it left behind


@dataclass(frozen=True)
class Play:
    """What is started: the run's id, a playbook, and the words that follow it."""

    run_id: str
    playbook: str
    words: Sequence[str]


class Stop:
    """Asks for the end of a run: on a signal to the runner, or when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._given_up: float | None = None
        self.reason = ""

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember that the runner itself is to end."""
        self.reason = self.reason or f"the runner got {signal.Signals(number).name}"

    def is_over(self) -> bool:
        """Called again and again while the run goes on: pass the wish on once, and return whether patience is over."""
        if not self.reason and time.monotonic() > self._until:
            self.reason = f"it took longer than {self._seconds / 3600:g} h (backup_runner_hours)"
        if self.reason and self._given_up is None:
            self._given_up = time.monotonic() + END_SECONDS
            signal_children(signal.SIGTERM)
        return self._given_up is not None and time.monotonic() > self._given_up


def perform(config: Config, play: Play, show: bool) -> Ended:
    """Run a playbook to its end, keep its output as a log, and end whatever is left of it."""
    become_reaper()
    stop = Stop(config.hours * 3600)
    before = {number: signal.signal(number, stop.on_signal) for number in STOPS}
    private = tempfile.mkdtemp(prefix="run-", dir=config.state)
    code: int | None = None
    try:
        code = _play(config, play, private, stop, show)
        _keep_log(config, play.run_id, Path(private) / "artifacts" / play.run_id / "stdout")
    except (ansible_runner.AnsibleRunnerException, OSError) as error:
        stop.reason = stop.reason or f"the runner cannot start it: {error}"
    finally:
        left = end_children(LEFT_SECONDS)
        shutil.rmtree(private, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(code, stop.reason, left)


def _play(config: Config, play: Play, private: str, stop: Stop, show: bool) -> int | None:
    """Return the exit code of ansible-playbook, None where a signal ended it."""
    done = ansible_runner.run(
        private_data_dir=private,
        project_dir=str(config.project),
        ident=play.run_id,
        playbook=play.playbook,
        inventory=str(config.inventory),
        cmdline=shlex.join(play.words),
        envvars=_make_environment(config, play.run_id),
        settings={"pexpect_timeout": LOOK_SECONDS},
        cancel_callback=stop.is_over,
        quiet=not show,
        suppress_env_files=True,
    )
    return done.rc if isinstance(done.rc, int) else None


def _make_environment(config: Config, run_id: str) -> Mapping[str, str]:
    return {
        "PATH": f"{config.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PARANOID_BACKUP_RUN_ID": run_id,
        "PARANOID_REPORT_DIR": str(config.reports),
        "ANSIBLE_CONFIG": str(config.project / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "true",
    }


def _keep_log(config: Config, run_id: str, output: Path) -> None:
    logs = config.state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    target = logs / f"{run_id}.log"
    shutil.copyfile(output, target)
    os.chmod(target, 0o600)
