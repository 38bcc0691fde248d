# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic, with no exit code lost.

borgmatic 2.1.10 asks twice whether a command has ended: first to judge its exit code, then to stop waiting for it
(borgmatic/execute.py, log_outputs). What ends in between is never judged, and a failed hook or dump counts as done.
Here every exit code is looked at once more.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from borgmatic import execute
from borgmatic.commands.borgmatic import main

_log_outputs = execute.log_outputs


def log_outputs(
    processes: Sequence[Any],
    exclude_stdouts: Any,
    output_log_level: Any,
    borg_local_path: Any,
    borg_exit_codes: Any,
    capture_stderr: bool = False,
) -> Iterator[Any]:
    """Do what borgmatic's own does, then raise CalledProcessError for a failure that it did not see."""
    yield from _log_outputs(
        processes, exclude_stdouts, output_log_level, borg_local_path, borg_exit_codes, capture_stderr
    )
    for process in processes:
        code = process.poll()
        # Negative is what borgmatic itself killed because of another process's warning.
        if code is None or code < 0:
            continue
        status = execute.interpret_exit_code(process.args, code, borg_local_path, borg_exit_codes)
        if status == execute.Exit_status.ERROR:
            raise subprocess.CalledProcessError(code, execute.command_for_process(process))


if __name__ == "__main__":
    execute.log_outputs = log_outputs
    sys.exit(main())
