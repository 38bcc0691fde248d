# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server's login could do on this host, tried without the server: its forced command.

sshd gives the forced command to the login's shell, without a terminal (session.c, do_child). Without a request the
dispatcher says so on standard error and ends with 2 before it does anything, which is all that is wanted here.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sudoers import Rule, blame

_SECONDS = 60
_SYSTEM_RC = "/etc/ssh/sshrc"  # sshd runs it before any command (sshd(8), SSHRC)
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Trial:
    """How the command ended, and what it said; ``code`` is None when it did not end."""

    code: Optional[int]
    out: str
    err: str


def try_command(login: str, command: str) -> Trial:
    """Start the forced command as sshd would, and let it find that nobody asks for anything."""
    account = pwd.getpwnam(login)
    script = f"[ ! -e {_SYSTEM_RC} ] || /bin/sh {_SYSTEM_RC}; {command}"
    environment = {"HOME": account.pw_dir, "LOGNAME": login, "USER": login, "PATH": _PATH, "SHELL": account.pw_shell}
    environment["SSH_CONNECTION"] = "127.0.0.1 1 127.0.0.1 22"
    environment["SSH_CLIENT"] = "127.0.0.1 1 22"
    try:
        done = run_program(
            [account.pw_shell or "/bin/sh", "-c", script], b"", _SECONDS, cwd="/", env=environment,
            start_new_session=True, user=account.pw_uid, group=account.pw_gid,
            extra_groups=os.getgrouplist(login, account.pw_gid),
        )  # fmt: skip
    except TooSlow:
        return Trial(None, "", "")
    except OSError as error:
        return Trial(127, "", f"{account.pw_shell}: {error.strerror}")
    return Trial(done.returncode, done.said, done.complaint)


def trial_obstacle(trial: Trial, login: str, own: str, written: Sequence[Rule]) -> str:
    """Return why the server would not reach the dispatcher, in one line; empty if it would.

    ``own`` is the login's file of sudo's rules, ``written`` are all of them.
    """
    lines = [line.strip() for line in trial.err.splitlines() if line.strip()]
    if trial.code is None:
        return f"the dispatcher does not answer {login} within {_SECONDS} s: see what its shell or sudo waits for"
    if trial.out:
        said = one_line(trial.out.strip().splitlines()[0] if trial.out.strip() else trial.out, 100)
        return (
            f"something prints '{said}' before the dispatcher when {login} logs in, which the server takes for an "
            f"answer: silence it ({_SYSTEM_RC}, the shell's rc files)"
        )
    if trial.code == 2 and lines and lines[-1].startswith("dispatch: "):
        return ""
    said = one_line(" / ".join(lines), 300) or f"exit code {trial.code}"
    named = blame(trial.err, own, login, written)
    if named:
        return f"{named} keeps {login} from starting the dispatcher (sudo says: {said}): except {login} there"
    return f"{login} cannot start the dispatcher ({said}): mend that on this host"
