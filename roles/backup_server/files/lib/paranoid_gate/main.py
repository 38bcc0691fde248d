# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `gate`: answers the connection on stdin and stdout by a policy, and reports on another descriptor."""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from paranoid_gate.calls import Calls
    from paranoid_gate.events import Report

# Borg reads its environment while it is imported: all imports of it come after the environment is clean.
_BORG = re.compile(r"1\.4\.(\d+)\Z")
_BORG_PATCH = 5  # the first release of the 1.4 line whose calls the contract test knows
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Stopped(BaseException):
    """SIGTERM: from the engine, or because the client is gone while a long call runs."""


def main(argv: list[str]) -> int:
    """Serve one connection; return 0 when it ended in peace."""
    options = _parse(argv)
    environment = {name: os.environ[name] for name in ("BORG_HOST_ID", "PATH") if name in os.environ}
    os.environ.clear()
    os.environ.update(environment, LC_ALL="C.UTF-8", HOME="/nonexistent")
    os.umask(0o077)
    from paranoid_gate.events import Report

    report = Report(options.report_fd)
    signal.signal(signal.SIGTERM, _stop)
    reason, detail = _run(options, report)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report.end(reason, detail)
    return 0 if reason is None else 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gate", allow_abbrev=False)
    parser.add_argument("--policy", required=True, choices=("create", "append", "read", "trim"))
    parser.add_argument("--repository", required=True, type=os.path.abspath)
    parser.add_argument("--repository-id", type=str.lower)
    parser.add_argument("--quota", type=int)
    parser.add_argument("--first-segment", type=int)
    for name in ("objects", "bytes", "archives"):
        parser.add_argument(f"--max-{name}", type=int, default=0)
    parser.add_argument("--report-fd", required=True, type=int)
    return parser.parse_args(argv)


def _run(options: argparse.Namespace, report: Report) -> tuple[str | None, str]:
    try:
        import borg
        from borg.logger import setup_logging
    except ImportError as error:
        return "error", f"Borg cannot be imported: {error}"
    version = _BORG.match(borg.__version__)
    if version is None or int(version[1]) < _BORG_PATCH:
        return "error", f"Borg {borg.__version__} is not of the 1.4 line from 1.4.{_BORG_PATCH} on: install that"
    setup_logging(stream=sys.stderr, env_var=None, level="warning")
    return _serve(options, report)


def _serve(options: argparse.Namespace, report: Report) -> tuple[str | None, str]:
    from paranoid_gate.calls import Calls
    from paranoid_gate.connection import Connection
    from paranoid_gate.errors import EndOfConnection
    from paranoid_gate.policy import POLICIES, Budget

    budget = Budget()
    if options.policy == "trim":
        budget = Budget(options.max_objects, options.max_bytes, options.max_archives)
    ending: tuple[str | None, str] = (None, "")
    calls: Calls | None = None
    try:
        try:
            calls = Calls(
                POLICIES[options.policy],
                options.repository,
                options.repository_id,
                budget,
                options.quota,
                options.first_segment,
                report,
            )
            Connection(calls, report, options.repository).serve()
            if calls.over_quota:
                ending = ("quota", calls.over_quota)
        except EndOfConnection as end:
            ending = (end.reason, end.detail)
        except Stopped:
            ending = ("error", "stopped")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if calls is not None:
                calls.close()
    except OSError as error:
        ending = ("disk_full" if error.errno in _NO_SPACE else "error", error.strerror or str(error))
    except Exception as error:  # what Borg raises over damaged files has no common name
        ending = ("error", f"{type(error).__name__}: {error}".partition("\n")[0])
    return ending


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped
