# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic's hooks, run by the dispatcher: strict_borgmatic.py installs this.

borgmatic's own (borgmatic/hooks/command.py, 2.1.10) end with it, are skipped after an error that it did not expect, and
may stop it with what they print. Where a dispatcher is at the other end of PARANOID_BACKUP_HOOKS, it runs them
(paranoid_dispatcher/hooks.py has the protocol), and knows before a stage begins which after hooks must end it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from borgmatic import execute
from borgmatic.commands import borgmatic as program
from borgmatic.config.paths import get_working_directory
from borgmatic.hooks import command

CHANNEL = "PARANOID_BACKUP_HOOKS"
SOFT_FAILURE = 75
_run_all, _run_one = program.collect_configuration_run_summary_logs, program.run_configuration


class HookFailed(subprocess.CalledProcessError):
    """A hook that failed; borgmatic shows the dispatcher's sentence about it."""

    def __init__(self, code: int, command_line: str, reason: str) -> None:
        super().__init__(code, command_line, "")
        self.reason = reason

    def __str__(self) -> str:
        """Return the dispatcher's sentence."""
        return self.reason


class Channel:
    """The way to the dispatcher. A signal ends borgmatic, but not in the middle of a question."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._answers = self._socket.makefile("rb")
        self._asking, self._ended_by = False, 0

    def run(self, hook: dict[str, Any]) -> None:
        """Have a hook run; HookFailed if it fails. Without the dispatcher an after hook is run here."""
        try:
            code, reason = self._ask({"run": hook})
        except (OSError, ValueError):
            self._end_all()
            if hook["before"]:
                raise
            run_alone(hook)
            return
        if code:
            raise HookFailed(code, hook["command"], reason)

    def owe(self, kind: str, owed: list[dict[str, Any]]) -> None:
        """Tell which after hooks must be run whatever comes; without the dispatcher they are run here, and all ends."""
        try:
            self._ask({"kind": kind, "owed": owed})
        except (OSError, ValueError):
            self._end_all()

    def leave_if_ended(self) -> None:
        """Leave if a signal said so; what is still to be done in the stages that this ends is done."""
        if self._ended_by:
            sys.exit(128 + self._ended_by)

    def on_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """End Borg and the dumps, then borgmatic itself; once is enough."""
        if self._ended_by:
            return
        self._ended_by = number
        os.killpg(os.getpgrp(), signal.SIGTERM)
        if not self._asking:
            self.leave_if_ended()

    def _end_all(self) -> None:
        """End Borg and the dumps, for the dispatcher is gone; its signal, if it comes later, ends no more."""
        if not self._ended_by:
            self._ended_by = signal.SIGTERM
            os.killpg(os.getpgrp(), signal.SIGTERM)

    def _ask(self, request: dict[str, Any]) -> tuple[int, str]:
        self._asking = True
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._answers.readline())
            return answer["code"], answer["reason"]
        finally:
            self._asking = False


def run_alone(hook: Mapping[str, Any]) -> None:
    """Run an after hook without the dispatcher, which was killed."""
    execute.execute_command(
        [hook["command"]],
        shell=True,
        environment=dict(os.environ),
        working_directory=hook["directory"],
        close_fds=True,
    )


def interpolate(line: str, context: Mapping[str, Any]) -> str:
    """Put in what borgmatic has a word for, as its manual says; ``${error}`` and any other word are the shell's."""
    known = "|".join(re.escape(name) for name, value in context.items() if value is not None)
    if not known:
        return line
    pattern = rf"(?P<escaped>\\\{{(?:{known})\\\}})|(?<![$\\])\{{(?P<name>{known})\}}"
    return re.sub(pattern, lambda match: _put_in(match, context), line)


def _put_in(match: re.Match[str], context: Mapping[str, Any]) -> str:
    if match["escaped"]:
        return match["escaped"].replace("\\", "")
    return shlex.quote(str(context[match["name"]]))


def plan(chosen: Sequence[Mapping[str, Any]], umask: Any, directory: Any, context: Any) -> list[dict[str, Any]]:
    """Return one record for each command of the hooks, in the words of the dispatcher."""
    planned = []
    for hook in chosen:
        moment = "before" if "before" in hook else "after"
        kind = str(hook[moment])
        when = "/".join(hook.get("when") or ())
        planned += [
            {
                "kind": kind,
                "before": moment == "before",
                "name": " ".join(word for word in (moment, when, kind) if word),
                "command": interpolate(line, context),
                "umask": int(str(umask), 8) if umask else None,
                "directory": directory or "/",
            }
            for line in hook.get("run") or ()
        ]
    return planned


class Stages:
    """The stages of a run, each with before and after hooks; takes the places of what borgmatic has for them."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._has_begun = False

    def execute_hooks(self, chosen: Any, umask: Any, directory: Any, dry_run: bool, **context: Any) -> None:
        """Run hooks: the first before hook that fails ends them, while after hooks all have their turn."""
        planned = [] if dry_run else plan(chosen, umask, directory, context)
        if planned and planned[0]["before"]:
            for hook in planned:
                self.channel.run(hook)
                self.channel.leave_if_ended()
        elif planned:
            self.channel.owe(planned[0]["kind"], planned)
            self._run_each(planned)
        self.channel.leave_if_ended()

    def _run_each(self, planned: list[dict[str, Any]]) -> None:
        failures = [error for error in map(self._failure, planned) if error]
        if failures:
            raise min(failures, key=lambda error: error.returncode == SOFT_FAILURE)

    def _failure(self, hook: dict[str, Any]) -> subprocess.CalledProcessError | None:
        try:
            self.channel.run(hook)
        except subprocess.CalledProcessError as error:
            return error
        return None

    def run_all(self, configs: Mapping[str, Any], paths: Any, arguments: Any, log_file: Any) -> Iterator[Any]:
        """Run all configurations; after hooks of everything and of an error are owed.

        Once a configuration was begun, borgmatic itself sees to those of everything; after a before hook that failed it
        does not.
        """
        for name, config in configs.items():
            context = {"configuration_filename": name, "log_file": log_file or ""}
            unknown = {"repository": "", "repository_label": "", "error": "the session was cut off", "output": ""}
            for kind, words in (("everything", context), ("error", {**context, **unknown})):
                chosen = command.filter_hooks(
                    config.get("commands"), after=kind, action_names=arguments.keys(), state_names=["fail"]
                )
                self.channel.owe(kind, plan(chosen, config.get("umask"), get_working_directory(config), words))
        self.channel.leave_if_ended()
        yield from _run_all(configs, paths, arguments, log_file)
        if self._has_begun:
            self.channel.owe("everything", [])

    def run_one(self, *arguments: Any) -> Iterator[Any]:
        """Run one configuration."""
        self._has_begun = True
        yield from _run_one(*arguments)


class Stage(command.Before_after_hooks):  # type: ignore[misc]
    """One stage: its after hooks are owed before its before hooks begin."""

    stages: Stages

    def __enter__(self) -> None:
        """Run the before hooks; whatever they end with, the after hooks are run."""
        owed = plan(self._choose_after("fail"), self.umask, self.working_directory, self.context)
        chosen = command.filter_hooks(self.command_hooks, before=self.before_after, action_names=self.action_names)
        if not self.dry_run:
            self.stages.channel.owe(self.before_after, owed)
        try:
            self._execute(chosen)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, exception_type: Any, exception: Any, traceback: Any) -> None:
        """Run the after hooks; a failure of theirs does not hide what failed before."""
        try:
            self._execute(self._choose_after("fail" if exception_type else "finish"))
        except (OSError, subprocess.CalledProcessError):
            if exception is None:
                raise
        finally:
            self.stages.channel.owe(self.before_after, [])

    def _execute(self, chosen: Any) -> None:
        self.stages.execute_hooks(chosen, self.umask, self.working_directory, self.dry_run, **self.context)

    def _choose_after(self, state: str) -> Any:
        return command.filter_hooks(
            self.command_hooks, after=self.before_after, action_names=self.action_names, state_names=[state]
        )


def install() -> None:
    """Let the dispatcher run the hooks, if one started borgmatic, and signals end borgmatic once."""
    descriptor = os.environ.pop(CHANNEL, "")
    if not descriptor:
        return
    Stage.stages = stages = Stages(Channel(int(descriptor)))
    command.execute_hooks, command.Before_after_hooks = stages.execute_hooks, Stage
    program.collect_configuration_run_summary_logs, program.run_configuration = stages.run_all, stages.run_one
    program.configure_signals = lambda: [
        signal.signal(number, stages.channel.on_signal) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    ]
