# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic, with nothing lost: no exit code, no warning, no archive, and no database that is not there.

- borgmatic 2.1.10 asks twice whether a command has ended: first to judge its exit code, then to stop waiting for it
  (borgmatic/execute.py, log_outputs). What ends in between is never judged, and a failed hook or dump counts as done.
  Here every exit code is looked at once more.
- Borg's exit code mixes kinds of warnings, and borgmatic ends with an error for some of them. Here no warning of
  ``borg create`` is an error of borgmatic: each one goes to the dispatcher, which counts them, by the descriptor that
  it names in PARANOID_BACKUP_EVIDENCE. Hooks do not get that.
- After streamed dumps borgmatic takes the newest archive, by the client's clock, for the one it made. Here it is taken
  by its name.
- borgmatic makes a SQLite database that is not there, and dumps it. Here that is an error, and one that is locked is
  waited for.
- borgmatic fails at a byte that is not UTF-8, and remembers a line without an end. Here any output is read.
- borgmatic writes a password of MongoDB into a YAML file as it is. Here it is quoted.

Hooks are in borgmatic_hooks.py, and restores of databases in borgmatic_databases.py, beside it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import borgmatic.actions.create
import borgmatic.borg.create
import borgmatic.borg.environment
import borgmatic.borg.repo_list
from borgmatic import execute
from borgmatic.commands.borgmatic import main
from borgmatic.config.paths import get_working_directory
from borgmatic.hooks.data_source import mongodb, sqlite

CHANNEL = "PARANOID_BACKUP_EVIDENCE"
LINE_MAX = 1024 * 1024  # bytes of a line that commands print; Borg's own are shorter
SUFFIX = ".checkpoint"  # of an archive whose dumps are not judged yet (borgmatic/actions/create.py)
SQLITE = "sqlite3 -cmd '.timeout 60000'"  # milliseconds; by itself it gives up at once
_ARCHIVE = ("name", "id", "start", "end", "duration", "stats")
# Their warnings are about notifications, retries, the words of a hook, and exit codes: none is about what is saved.
_HARMLESS = ("borgmatic.hooks.monitoring.", "borgmatic.hooks.command", "borgmatic.commands.", "borgmatic.execute")
_HARMLESS_WORDS = (
    "Excluding special files to prevent Borg from hanging",
    'Ignoring configured "read_special" value',
    'The "all" database name has no meaning for SQLite databases',
)

_log_outputs = execute.log_outputs
_interpret_exit_code = execute.interpret_exit_code
_parse_log_line = execute.parse_log_line
_create_archive = borgmatic.borg.create.create_archive
_get_latest_archive = borgmatic.borg.repo_list.get_latest_archive
_dump_sqlite = sqlite.dump_data_sources


class Channel:
    """The way to the dispatcher; without a descriptor nothing is told."""

    def __init__(self, number: str) -> None:
        self._descriptor = int(number) if number else -1
        self.made: dict[str, Any] = {}
        if number:
            os.set_inheritable(self._descriptor, False)

    def tell(self, event: str, **content: Any) -> None:
        """Write one event, whole; a dispatcher that is gone ends borgmatic by itself."""
        left = json.dumps({"event": event, **content}).encode() + b"\n"
        while left and self._descriptor >= 0:
            left = left[os.write(self._descriptor, left) :]

    def tell_archive(self, archive: dict[str, Any]) -> None:
        """Tell of the archive that there is now."""
        self.made = archive
        self.tell("archive", archive={name: archive[name] for name in _ARCHIVE})


channel = Channel("")


class Warnings(logging.Handler):
    """Tells of borgmatic's own warnings; what other programs print passes here without a name of borgmatic."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of RECORD unless it says nothing of what is saved."""
        name, message = str(record.name), record.getMessage()
        if name.startswith("borgmatic") and not name.startswith(_HARMLESS) and not message.startswith(_HARMLESS_WORDS):
            channel.tell("borgmatic", message=message)


def log_outputs(
    processes: Sequence[Any],
    exclude_stdouts: Any,
    output_log_level: Any,
    borg_local_path: Any,
    borg_exit_codes: Any,
    capture_stderr: bool = False,
) -> Iterator[Any]:
    """Do what borgmatic's own does, then raise CalledProcessError for a failure that it did not see."""
    try:
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
    except subprocess.CalledProcessError as error:
        is_borg = execute.command_is_borg(error.cmd, borg_local_path)
        channel.tell("failed", borg=is_borg, command=error.cmd, code=error.returncode, output=error.output or "")
        raise


def is_create(command: Any, borg_local_path: Any) -> bool:
    """Tell whether COMMAND makes an archive; a dry run makes none."""
    return is_create_or_dry(command, borg_local_path) and "--dry-run" not in command


def is_create_or_dry(command: Any, borg_local_path: Any) -> bool:
    """Tell whether COMMAND is ``borg create``."""
    is_borg = not isinstance(command, str) and execute.command_is_borg(command, borg_local_path)
    return is_borg and tuple(command[1:2]) == ("create",)


def interpret_exit_code(command: Any, exit_code: Any, borg_local_path: Any = None, borg_exit_codes: Any = None) -> Any:
    """Judge as borgmatic does, but for the warnings of ``borg create``: they are counted one by one, by kind."""
    is_warning = exit_code is not None and (exit_code == 1 or 100 <= exit_code < 128)
    is_configured = any(entry.get("code") == exit_code for entry in borg_exit_codes or ())
    if not is_warning or is_configured or not is_create_or_dry(command, borg_local_path):
        return _interpret_exit_code(command, exit_code, borg_local_path, borg_exit_codes)
    if is_create(command, borg_local_path):
        channel.tell("code", code=exit_code)
    return execute.Exit_status.WARNING


def parse_log_line(line: str, log_level: Any, elevate_stderr: bool, borg_local_path: Any, command: Any) -> Any:
    """Tell of what Borg wrote to standard error, before it becomes borgmatic's log."""
    if elevate_stderr and is_create(command, borg_local_path):
        channel.tell("borg", line=line)
    record = _parse_log_line(line, log_level, elevate_stderr, borg_local_path, command)
    if (record.levelno or 0) >= logging.ERROR and execute.command_is_borg(command, borg_local_path):
        channel.tell("error", message=record.getMessage())
    return record


def create_archive(*arguments: Any, **options: Any) -> Any:
    """Make an archive, and tell of it before anything else can fail."""
    channel.tell("begin")
    output = _create_archive(*arguments, **options)
    if output:
        channel.tell_archive(json.loads(output)["archive"])
    return output


def get_latest_archive(
    repository_path: Any,
    config: Any,
    local_borg_version: Any,
    global_arguments: Any,
    local_path: str = "borg",
    remote_path: Any = None,
    consider_checkpoints: bool = False,
) -> Any:
    """Return the archive that was made now, by its name; before one was made, what borgmatic takes for the latest."""
    made = channel.made
    if not made or consider_checkpoints:
        return made or _get_latest_archive(
            repository_path, config, local_borg_version, global_arguments, local_path, remote_path, consider_checkpoints
        )
    lock_wait = config.get("lock_wait")
    waiting = ("--lock-wait", str(lock_wait)) if lock_wait else ()
    listed = execute.execute_command_and_capture_output(
        (local_path, "list", "--log-json", *waiting, "--json", repository_path),
        environment=borgmatic.borg.environment.make_environment(config),
        working_directory=get_working_directory(config),
        borg_local_path=local_path,
        borg_exit_codes=config.get("borg_exit_codes"),
    )
    name = made["name"].removesuffix(SUFFIX)
    found: Optional[dict[str, Any]] = next(
        (archive for archive in json.loads("\n".join(listed))["archives"] if archive["name"] == name), None
    )
    if found is None:
        raise ValueError(f"the archive {name} is not in the repository")
    channel.tell_archive({**made, "name": name, "id": found["id"]})
    return found


def dump_sqlite(databases: Any, config: Any, *arguments: Any, **options: Any) -> Any:
    """Dump as borgmatic does, but only databases that are there, and wait while somebody writes."""
    working_directory = get_working_directory(config) or ""
    for database in databases:
        if not os.path.isfile(os.path.join(working_directory, database["path"])):
            raise ValueError(f"there is no SQLite database at {database['path']}")
    waiting = [{**database, "sqlite_command": database.get("sqlite_command") or SQLITE} for database in databases]
    return _dump_sqlite(waiting, config, *arguments, **options)


def read_lines(buffer: Any, process: Any, line_separator: str = "\n") -> Iterator[tuple[str, ...]]:
    """Yield tuples of lines, as borgmatic's own does; no byte is an error, and no line fills the memory."""
    data, separator = b"", line_separator.encode()
    while True:
        chunk = os.read(buffer.fileno(), 64 * 1024)
        if not chunk and process.poll() is not None:
            break
        if not chunk:  # It closed this pipe and works on: its other pipe must be read meanwhile.
            time.sleep(0.05)
        *lines, data = (data + chunk).split(separator)
        if len(data) > LINE_MAX:
            lines, data = [*lines, data], b""
        yield tuple(line.decode("utf-8", "backslashreplace") for line in lines)
    if data:
        yield (data.decode("utf-8", "backslashreplace").rstrip(),)


def quote_password(make_file: Callable[..., Any]) -> Callable[..., Any]:
    """Return MAKE_FILE for a password that is put in quotes."""
    return lambda password, *rest: make_file(json.dumps(password), *rest)


def install() -> None:
    """Put all of it before borgmatic's own."""
    execute.log_outputs, execute.read_lines = log_outputs, read_lines
    execute.interpret_exit_code = interpret_exit_code
    execute.parse_log_line = parse_log_line
    borgmatic.borg.create.create_archive = create_archive
    borgmatic.borg.repo_list.get_latest_archive = get_latest_archive
    sqlite.dump_data_sources = dump_sqlite
    for name in ("make_password_config_file_pipe", "make_password_temporary_config_file"):
        setattr(mongodb, name, quote_password(getattr(mongodb, name)))
    logging.getLogger("borgmatic").addHandler(Warnings(logging.WARNING))


if __name__ == "__main__":
    channel = Channel(os.environ.pop(CHANNEL, ""))
    install()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import borgmatic_hooks

    borgmatic_hooks.install()
    if "PARANOID_BACKUP_DATABASE" in os.environ:
        import borgmatic_databases

        borgmatic_databases.install(channel.tell)
    sys.exit(main())
