# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher: all that the backup server can start on this host, one fixed verb per session.

Started by sshd's forced command through sudo, as root, without arguments. Request, answer and their limits are those
of docs/architecture.md, "A session".
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any, Optional

CONFIG = Path("/etc/paranoid-backup/client.json")
REQUEST_MAX = 1024 * 1024
REQUEST_SECONDS = 30
REASON_MAX = 500
STDOUT_KEPT = 4 * 1024 * 1024
LOG_KEPT = 64 * 1024
LOG_PENDING = 256 * 1024
GRACE_SECONDS = 10.0
TICK_SECONDS = 0.5
PR_SET_PDEATHSIG = 1
TOLD_MAX = 100  # archives that the server does not know
MISSING_MAX = 1000  # archives that it knows and that are not there
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Record = dict[str, Any]


class Refused(Exception):
    """A request that is not answered: the reason goes to the log, nothing is started."""


class Failed(Exception):
    """The verb could not do its work; the text is the result's reason."""


@dataclass(frozen=True)
class Config:
    """/etc/paranoid-backup/client.json, written by the role backup_client."""

    client: str
    transport: str
    remote_dir: str
    borgmatic: str
    borg: str
    config: str
    repository: str
    passphrase_file: str
    relay: str
    base_dir: str
    runtime_dir: str
    deadline: int

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read PATH; Refused when it cannot be used."""
        try:
            record = json.loads(path.read_bytes())
            return cls(**{name: kind(record[name]) for name, kind in _CONFIG_FIELDS.items()})
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise Refused(f"{path} cannot be read, run the role backup_client again: {exc!r}") from exc


_CONFIG_FIELDS: dict[str, type] = {
    **dict.fromkeys(
        (
            *("client", "transport", "remote_dir", "borgmatic", "borg", "config"),
            *("repository", "passphrase_file", "relay", "base_dir", "runtime_dir"),
        ),
        str,
    ),
    "deadline": int,
}


@dataclass(frozen=True)
class Request:
    """What the server asks for; for ``maintain`` archives (ids) to delete, ids that it knows, seconds for checking."""

    verb: str
    session: str
    delete: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    check_seconds: int = 0


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit status, the end of its output and of its log, why it was ended early."""

    returncode: int
    stdout: bytes
    log: bytes
    stopped: str


# --- the request ------------------------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Refused("the request names a key twice")
    return record


def parse_request(line: bytes) -> Request:
    """Turn one line of JSON into a request; Refused when it is anything but exactly that."""
    try:
        record = json.loads(line.decode("ascii"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as exc:
        raise Refused("the request is not a line of JSON") from exc
    if not isinstance(record, dict):
        raise Refused("the request is not an object")
    more = _MAINTAIN_KEYS if record.get("verb") == "maintain" else ()
    if set(record) != {*_BASIC_KEYS, *more}:
        raise Refused(f"the request needs exactly {', '.join((*_BASIC_KEYS, *more))}")
    if not _is_number(record["schema"]) or record["schema"] != 1:
        raise Refused("this host speaks schema 1 only")
    if not isinstance(record["session"], str) or not re.fullmatch(r"[0-9a-f]{32}", record["session"], re.ASCII):
        raise Refused("the session's name must be 32 hex digits")
    if not isinstance(record["verb"], str) or record["verb"] not in VERBS:
        raise Refused(f"this host knows the verbs {', '.join(sorted(VERBS))} and no other")
    return Request(record["verb"], record["session"], **(_errand(record) if more else {}))


_BASIC_KEYS = ("schema", "verb", "session")
_MAINTAIN_KEYS = ("delete", "known", "check_seconds")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _errand(record: Record) -> Record:
    if not _is_number(record["check_seconds"]) or not 0 <= record["check_seconds"] <= 86400:
        raise Refused("check_seconds is a number from 0 to 86400")
    for key in ("delete", "known"):
        ids = record[key]
        if not isinstance(ids, list) or not all(isinstance(i, str) and _ARCHIVE_ID.fullmatch(i) for i in ids):
            raise Refused(f"{key} is a list of archives' ids")
    if len(set(record["delete"])) != len(record["delete"]):
        raise Refused("delete names an archive twice")
    return {
        "delete": tuple(record["delete"]),
        "known": frozenset(record["known"]),
        "check_seconds": record["check_seconds"],
    }


_ARCHIVE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_request(descriptor: int) -> bytes:
    """Read up to the first newline; Refused when there is none within 1 MiB and 30 s."""
    received = b""
    until = time.monotonic() + REQUEST_SECONDS
    while b"\n" not in received:
        if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            raise Refused(f"no request within {REQUEST_SECONDS} s")
        part = os.read(descriptor, REQUEST_MAX + 1 - len(received))
        if not part:
            raise Refused("the session ended before its request")
        received += part
        if len(received) > REQUEST_MAX:
            raise Refused("the request is longer than 1 MiB")
    line, rest = received.split(b"\n", 1)
    if rest:
        raise Refused("the request is more than one line")
    return line


# --- running a command ------------------------------------------------------------------------------------------------


class Session:
    """The server's end: standard input says that it is still there, standard error takes the log."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._signal = 0
        self._closed = False

    def on_signal(self, number: int, _frame: Optional[FrameType]) -> None:
        """Note a signal; the loops look at it."""
        self._signal = number

    def read(self) -> None:
        """Take what came after the request: nothing may, so only its end counts."""
        self._closed = self._closed or not os.read(0, 4096)

    @property
    def closed(self) -> bool:
        """Tell whether the server has ended the session."""
        return self._closed

    def stopped(self) -> str:
        """Return why work must end now, or an empty string."""
        if self._closed:
            return "the server ended the session"
        if self._signal:
            return f"ended by signal {self._signal}"
        if time.monotonic() > self._until:
            return f"this host's own deadline of {self._seconds} s has passed"
        return ""


class Tail:
    """Keeps the last bytes of a stream."""

    def __init__(self, size: int) -> None:
        self._size, self._kept = size, bytearray()

    def add(self, data: bytes) -> None:
        """Take DATA; memory stays below twice the size, and moving it costs nothing."""
        self._kept += data
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    def content(self) -> bytes:
        """Return the last bytes."""
        return bytes(self._kept[-self._size :])


class Pump:
    """Moves a command's output: standard output is kept, standard error is passed on and its end kept."""

    def __init__(self, session: Session, stdout: int, stderr: int) -> None:
        self._stdout, self._log = Tail(STDOUT_KEPT), Tail(LOG_KEPT)
        self._session, self._pending = session, bytearray()
        self._readers: dict[int, Callable[[bytes], None]] = {stdout: self._keep, stderr: self._pass_on}
        self._stderr = stderr
        for descriptor in self._readers:
            os.set_blocking(descriptor, False)

    @property
    def stdout(self) -> bytes:
        """The end of the command's output."""
        return self._stdout.content()

    @property
    def log(self) -> bytes:
        """The end of the command's log."""
        return self._log.content()

    def turn(self, seconds: float) -> bool:
        """Wait at most SECONDS for something to move; tell whether output did."""
        poll = select.poll()
        for descriptor in self._readers:
            # A server that does not read its log slows the work down, it does not fill this host's memory.
            if descriptor != self._stderr or len(self._pending) < LOG_PENDING:
                poll.register(descriptor, select.POLLIN)
        if self._pending:
            poll.register(2, select.POLLOUT)
        if not self._session.closed:
            poll.register(0, select.POLLIN)
        ready = [descriptor for descriptor, _event in poll.poll(seconds * 1000)]
        for descriptor in ready:
            self._move(descriptor)
        return any(descriptor != 0 for descriptor in ready)

    def drain(self, seconds: float) -> None:
        """Move what is left; a process that keeps the pipe open, or a server that does not read, cannot stretch it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self.turn(0.1) or self._pending):
            pass

    def _move(self, descriptor: int) -> None:
        if descriptor == 0:
            self._session.read()
        elif descriptor == 2:
            self._write()
        else:
            data = os.read(descriptor, 64 * 1024)
            self._readers[descriptor](data)
            if not data:
                del self._readers[descriptor]

    def _keep(self, data: bytes) -> None:
        self._stdout.add(data)

    def _pass_on(self, data: bytes) -> None:
        self._log.add(data)
        self._pending += data

    def _write(self) -> None:
        # At most PIPE_BUF: poll promises room for that much, so this never blocks.
        try:
            del self._pending[: os.write(2, self._pending[: select.PIPE_BUF])]
        except OSError:
            self._pending.clear()


def _die_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


_LIBC = ctypes.CDLL(None, use_errno=True)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def run(argv: list[str], environment: dict[str, str], session: Session) -> Done:
    """Run ARGV in a process group of its own until it ends; end the whole group when the session must end."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )
    if process.stdout is None or process.stderr is None:
        raise Failed("no pipes for the work's output")
    pump = Pump(session, process.stdout.fileno(), process.stderr.fileno())
    stopped = _follow(process.pid, pump, session)
    pump.drain(GRACE_SECONDS)
    return Done(process.wait(), pump.stdout, pump.log, stopped)


def _follow(leader: int, pump: Pump, session: Session) -> str:
    """Pump until LEADER ends, but do not reap it: as long as it is there, its group's number is its own."""
    stopped, kill_at = "", 0.0
    while (status := os.waitid(os.P_PID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
        pump.turn(TICK_SECONDS)
        if not stopped:
            stopped, kill_at = session.stopped(), time.monotonic() + GRACE_SECONDS
            if stopped:
                _signal_group(leader, signal.SIGTERM)
        elif time.monotonic() > kill_at:
            _signal_group(leader, signal.SIGKILL)
    if stopped or status.si_status:
        # Borg outlives a borgmatic that was killed.
        _signal_group(leader, signal.SIGKILL)
    return stopped


# --- the verbs --------------------------------------------------------------------------------------------------------

# Borgmatic's frame around what really happened.
_NOISE = re.compile(r"(.*: )?(An error occurred|Error running (actions for repository|configuration)|Error)")


def reason_of(log: str) -> str:
    """Return the meaningful lines of borgmatic's closing summary, or else the last line of the log, as one line."""
    lines = [line.strip() for line in log.splitlines()]
    if "summary:" in lines:
        first = len(lines) - lines[::-1].index("summary:")
        summary = lines[first : lines.index("", first) if "" in lines[first:] else None]
        told = [line for line in summary if not _NOISE.fullmatch(line)]
    else:
        told = [line for line in lines if line][-1:]
    return "; ".join(dict.fromkeys(told)) or "borgmatic failed and did not say why"


def parse_answer(stdout: str) -> Record:
    """Return the only element of borgmatic's JSON array, which hooks' output may stand before; Failed when none is."""
    for start in (match.start() for match in re.finditer(r"^\[", stdout, re.MULTILINE)):
        try:
            answer = json.loads(stdout[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict):
            return answer[0]
    raise Failed("borgmatic ended well but printed no result")


def _utc(moment: str) -> str:
    """Borg prints this host's local time without its zone."""
    return datetime.fromisoformat(moment).astimezone(timezone.utc).isoformat()


class Work:
    """What a verb needs: the configuration, the open session, and borgmatic in a clean environment."""

    def __init__(self, config: Config, request: Request, session: Session) -> None:
        self.config, self.request, self.session = config, request, session

    @property
    def socket(self) -> Path:
        """The tunnel's end on this host (transport socket)."""
        return Path(self.config.remote_dir) / f"{self.request.session}.sock"

    def environment(self) -> dict[str, str]:
        """Nothing of the session's own environment reaches the work."""
        return {
            "PATH": f"{Path(self.config.borg).parent}:{SYSTEM_PATH}",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "BORG_BASE_DIR": self.config.base_dir,
            "XDG_STATE_HOME": f"{self.config.base_dir}/state",
            "XDG_RUNTIME_DIR": self.config.runtime_dir,
            "PARANOID_BACKUP_SOCKET": str(self.socket),
        }

    def borg(self, *arguments: str) -> Done:
        """Run Borg on the repository; Failed when the tunnel is not there, or the work was stopped."""
        self._require_tunnel()
        own = {
            "BORG_REPO": self.config.repository,
            "BORG_RSH": self.config.relay,
            "BORG_PASSCOMMAND": f"cat {self.config.passphrase_file}",
        }
        done = run([self.config.borg, *arguments], {**self.environment(), **own}, self.session)
        if done.stopped:
            raise Failed(done.stopped)
        return done

    def borgmatic(self, *arguments: str) -> str:
        """Run borgmatic and return its standard output; Failed with its reason when it fails or is stopped."""
        self._require_tunnel()
        done = run(
            [self.config.borgmatic, "--config", self.config.config, *arguments], self.environment(), self.session
        )
        if done.stopped:
            raise Failed(done.stopped)
        if done.returncode:
            raise Failed(reason_of(done.log.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "replace")

    def _require_tunnel(self) -> None:
        if self.config.transport == "socket" and not self.socket.is_socket():
            raise Failed(f"the tunnel's socket {self.socket} is not there")


def _create(work: Work) -> Record:
    work.borgmatic("repo-create")
    return {}


def _backup(work: Work) -> Record:
    archive = parse_answer(work.borgmatic("create", "--json"))["archive"]
    sizes = ("original_size", "compressed_size", "deduplicated_size", "nfiles")
    return {
        "archive": {
            "name": archive["name"],
            "id": archive["id"],
            "start": _utc(archive["start"]),
            "end": _utc(archive["end"]),
            "duration": archive["duration"],
            **{size: archive["stats"][size] for size in sizes},
        }
    }


def _info(work: Work) -> Record:
    answer = parse_answer(work.borgmatic("repo-list", "--json", "--last", "1"))
    last = [{"name": a["name"], "id": a["id"], "start": _utc(a["start"])} for a in answer["archives"]]
    return {
        "info": {
            "repository_id": answer["repository"]["id"],
            "encryption": answer["encryption"]["mode"],
            "last_archive": last[-1] if last else None,
        }
    }


def _open(work: Work) -> Record:
    """Stay until the server ends the session; meanwhile paranoid-backup-borg finds the tunnel by this file."""
    marker = Path(work.config.base_dir) / "open"
    marker.write_text(f"{work.socket}\n", encoding="ascii")
    try:
        while not (why := work.session.stopped()):
            if select.select([0], [], [], TICK_SECONDS)[0]:
                work.session.read()
    finally:
        marker.unlink()
    if not work.session.closed:
        raise Failed(why)
    return {}


def _maintain(work: Work) -> Record:
    """Delete the archives whose ids the server named, no others, check, and tell what else there is."""
    asked = work.request
    held = _archives(work)
    named = [identifier for identifier in asked.delete if identifier in held]
    if named:
        _succeed(work.borg("delete", "--", "::", *(_literally(held[identifier]) for identifier in named)))
    strange = [{"id": i, "name": name[:200]} for i, name in held.items() if i not in asked.known and i not in named]
    missing = sorted((asked.known | set(asked.delete)) - set(held))
    told = {"deleted": named, "missing": missing[:MISSING_MAX], "unknown": strange[:TOLD_MAX], "check": "skipped"}
    if asked.check_seconds:
        told["check"] = _check(work)
    return {"maintain": told}


def _archives(work: Work) -> dict[str, str]:
    """Return the name of every archive by its id, those that an interrupted backup left behind among them."""
    listed = json.loads(_succeed(work.borg("list", "--json", "--consider-checkpoints")).stdout)
    return {archive["id"]: archive["name"] for archive in listed["archives"]}


def _check(work: Work) -> str:
    """Go on with the check of the repository where the last one stopped; Borg says 1 when it found errors."""
    done = work.borg("check", "--repository-only", "--max-duration", str(work.request.check_seconds))
    if done.returncode != 1:
        _succeed(done)
    return "failed" if done.returncode else "ok"


def _succeed(done: Done) -> Done:
    if done.returncode:
        raise Failed(reason_of(done.log.decode("utf-8", "replace")))
    return done


def _literally(name: str) -> str:
    """Borg replaces placeholders in the names of archives, too."""
    return name.replace("{", "{{").replace("}", "}}")


VERBS: dict[str, Callable[[Work], Record]] = {
    "create": _create,
    "backup": _backup,
    "info": _info,
    "open": _open,
    "maintain": _maintain,
}


# --- one session ------------------------------------------------------------------------------------------------------


def versions(config: Config) -> dict[str, str]:
    """Return the versions of Borg and borgmatic as their virtual environment records them."""
    found = {"borg": "", "borgmatic": ""}
    for name, package in (("borg", "borgbackup"), ("borgmatic", "borgmatic")):
        for path in (Path(config.borg).parent.parent / "lib").glob(f"python3*/site-packages/{package}-*.dist-info"):
            found[name] = path.name.split("-")[1].removesuffix(".dist")
    return found


def remove_stale_sockets(directory: Path) -> None:
    """Remove sockets that nobody listens on any more; the kernel's list says who does."""
    listening = {line.split(" ")[-1] for line in Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()}
    for path in directory.glob("*.sock"):
        if path.is_socket() and str(path) not in listening:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _only_one(base_dir: Path) -> Iterator[None]:
    """Hold this host's lock; the kernel releases it with the process."""
    descriptor = os.open(base_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Failed("another session is at work on this host") from exc
        yield
    finally:
        os.close(descriptor)


def perform(work: Work) -> Record:
    """Do the verb's work and return the result; every failure is a result, too."""
    result: Record = {"status": "ok", "reason": "", "archive": None, "info": None, "maintain": None}
    try:
        with _only_one(Path(work.config.base_dir)):
            remove_stale_sockets(Path(work.config.remote_dir))
            try:
                result.update(VERBS[work.request.verb](work))
            finally:
                work.socket.unlink(missing_ok=True)
    except Failed as exc:
        result.update(status="failed", reason=_line(str(exc)))
    except (OSError, KeyError, TypeError, ValueError) as exc:
        result.update(status="failed", reason=_line(f"the dispatcher could not do its work: {exc!r}"))
    return {"schema": 1, "session": work.request.session, "verb": work.request.verb, **result}


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:REASON_MAX])


def _answer(record: Record) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(record).encode("ascii") + b"\n")


def main(path: Path = CONFIG) -> int:
    """Serve one session; return 0 when its result was given, 2 when the request was refused."""
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        config = Config.load(path)
        request = parse_request(read_request(0))
    except Refused as exc:
        sys.stderr.write(f"dispatch: {_line(str(exc))}\n")
        return 2
    session = Session(config.deadline)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, session.on_signal)
    _answer({"schema": 1, "hello": request.session})
    _answer({**perform(Work(config, request, session)), "versions": versions(config)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
