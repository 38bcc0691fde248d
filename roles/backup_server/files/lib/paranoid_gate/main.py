# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `gate`: answers the connection on stdin and stdout by a policy, and reports on another descriptor."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from contextlib import ExitStack, closing
from types import FrameType
from typing import NoReturn

from paranoid_gate.events import Report
from paranoid_gate.kept import Kept, load_kept
from paranoid_gate.policy import POLICIES, Budget, Options

# Borg reads its environment while it is imported: all imports of it come after the environment is clean.
_BORG = re.compile(r"1\.4\.(\d+)\Z")
_BORG_PATCH = 5  # the first release of the 1.4 line whose calls the contract test knows

_Ending = tuple[str | None, str]  # reason (None: in peace) and detail, as in the report's last line


class Stopped(BaseException):
    """SIGTERM: from the engine, or because the client is gone while a long call runs."""


def main(argv: list[str]) -> int:
    """Serve one connection; return 0 if it ended in peace."""
    arguments = _parse(argv)
    environment = {name: os.environ[name] for name in ("BORG_HOST_ID", "PATH") if name in os.environ}
    os.environ.clear()
    os.environ.update(environment, LC_ALL="C.UTF-8", HOME="/nonexistent")
    os.umask(0o077)
    report = Report(arguments.report_fd)
    try:
        signal.signal(signal.SIGTERM, _stop)
        reason, detail = _run(_options(arguments), report)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except Stopped:
        reason, detail = "error", "stopped"
    report.record_end(reason, detail)
    return 0 if reason is None else 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate", allow_abbrev=False)
    parser.add_argument("--policy", required=True, choices=tuple(POLICIES))
    parser.add_argument("--repository", required=True, type=os.path.abspath)
    parser.add_argument("--repository-id", type=str.lower)
    parser.add_argument("--quota", type=int)
    parser.add_argument("--first-segment", type=int)
    for name in ("objects", "bytes", "archives"):
        parser.add_argument(f"--max-{name}", type=int, default=0)
    parser.add_argument("--kept-fd", type=int)
    parser.add_argument("--report-fd", required=True, type=int)
    return parser.parse_args(argv)


def _options(arguments: argparse.Namespace) -> Options:
    policy = POLICIES[arguments.policy]
    budget = Budget(arguments.max_objects, arguments.max_bytes, arguments.max_archives)
    return Options(
        policy,
        arguments.repository,
        arguments.repository_id,
        budget if policy.may_trim else Budget(),
        arguments.quota,
        arguments.first_segment,
        Kept() if arguments.kept_fd is None else load_kept(arguments.kept_fd),
    )


def _run(options: Options, report: Report) -> _Ending:
    try:
        import borg
        from borg.logger import setup_logging
    except ImportError as error:
        return "error", f"Borg cannot be imported: {error}"
    version = _BORG.match(borg.__version__)
    if version is None or int(version[1]) < _BORG_PATCH:
        return "error", f"Borg {borg.__version__} is not of the 1.4 line from 1.4.{_BORG_PATCH} on: install that"
    setup_logging(stream=sys.stderr, env_var=None, level="warning")
    try:
        return _serve(options, report)
    except Exception as error:
        return _explain(error)


def _serve(options: Options, report: Report) -> _Ending:
    from paranoid_gate.calls import Calls
    from paranoid_gate.connection import Connection

    with ExitStack() as stack:
        calls = stack.enter_context(closing(Calls(options, report)))
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)  # no signal disturbs the closing
        Connection(calls, report, options.path).serve()
        return ("quota", calls.over_quota) if calls.over_quota else (None, "")


def _explain(error: Exception) -> _Ending:
    from paranoid_gate.errors import NO_SPACE, OUT_OF_MEMORY, EndOfConnection, is_out_of_memory

    match error:
        case EndOfConnection():
            return error.reason, error.detail
        case OSError():
            return "disk_full" if error.errno in NO_SPACE else "error", error.strerror or str(error)
        case _ if is_out_of_memory(error):
            return "error", OUT_OF_MEMORY
        case _:  # what Borg raises over damaged files has no common name
            return "error", f"{type(error).__name__}: {error}".partition("\n")[0]


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped
