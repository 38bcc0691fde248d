# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a client: asks sshd, sudo and PAM, reads what they read, and has the pure parts judge it."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import run_program
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._provision import login_trial, sshd_config, sudoers
from ansible_collections.paranoid.backup.plugins.module_utils._provision.pam import pam_refusal
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_check import (
    Login,
    effective_settings,
    obstacles,
    wanted_settings,
)

_PROGRAMS = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
_SHADOW = "/etc/shadow"
_SHADOWS = (_SHADOW, "/etc/master.passwd")  # Linux, FreeBSD: a line's first two fields are the same
_MISSING = re.compile(r"Missing privilege separation directory: (/run/\w+|/var/run/\w+)$", re.MULTILINE)
_TRIES = 5  # to have that directory long enough
_SOMEWHERE = "192.0.2.1"  # RFC 5737: of no network


@dataclass(frozen=True)
class Question:
    """What is asked, as the options of the module client_info say."""

    login: str
    command: str
    drop_in: str
    wanted: str
    sudoers: str
    host: str
    port: int
    address: str
    config_dir: str


def look(asked: Question) -> dict[str, Any]:
    """Return what is there, and in ``obstacles`` one line for each thing that would keep the server out."""
    sshd, sudo = _program("sshd"), _program("sudo")
    effective, complaint = _ask_sshd(asked, sshd) if sshd else ({}, "")
    found = [complaint]
    if effective:
        found += _sshd_obstacles(asked, effective)
    if asked.sudoers and sudo:
        main = sudoers.main_file()
        found.append(sudoers.unread(main, sshd_config.read_lines(main), asked.sudoers))
    if asked.command and _exists(asked.login):
        found += _login_obstacles(asked, effective)
    return {
        "obstacles": [line for line in found if line],
        "sshd_keywords": sorted(effective),
        "sudo_version": _version(sudo),
        "host_keys": _host_keys(effective),
        "own_key": "".join(sshd_config.read_lines(f"{asked.config_dir}/ssh/id_ed25519.pub")[:1]),
        "has_passphrase": os.path.exists(f"{asked.config_dir}/passphrase"),
        "account": describe_account(asked.login, [line for path in _SHADOWS for line in sshd_config.read_lines(path)]),
        "is_ageing": is_ageing(asked.login, sshd_config.read_lines(_SHADOW)),
    }


def _program(name: str) -> str:
    return shutil.which(name, path=_PROGRAMS) or ""


def _exists(login: str) -> bool:
    try:
        return bool(pwd.getpwnam(login))
    except KeyError:
        return False


def _ask_sshd(asked: Question, sshd: str) -> tuple[dict[str, list[str]], str]:
    """Return what sshd would do with the login, or nothing of it and its complaint, which names file and line.

    A block such as Match LocalPort asks for both ends of the connection. Behind a translation of ports sshd has another
    one than the server knows: then it is the first that it listens to.
    """
    effective, complaint = _print_settings(asked, sshd, str(asked.port))
    ports = effective.get("port", [])
    if ports and str(asked.port) not in ports:
        return _print_settings(asked, sshd, ports[0])
    return effective, complaint


def _print_settings(asked: Question, sshd: str, port: str) -> tuple[dict[str, list[str]], str]:
    server, own = asked.address or _SOMEWHERE, asked.host if _is_address(asked.host) else "127.0.0.1"
    connection = f"user={asked.login},host={server},addr={server},laddr={own},lport={port}"
    argv = [sshd, "-T", "-C", connection]
    done = run_program(argv)
    for _try in range(_TRIES):
        missing = _MISSING.search(done.complaint)
        if not missing:
            break
        # Where a socket starts sshd, the unit of a connection that ends takes it along.
        os.makedirs(missing[1], 0o755, exist_ok=True)
        done = run_program(argv)
    if done.returncode == 0:
        return effective_settings(done.said), ""
    said = one_line(" ".join(done.complaint.split()), 300)
    return {}, f"sshd does not take its own configuration ({said}): mend that file"


def _sshd_obstacles(asked: Question, effective: dict[str, list[str]]) -> list[str]:
    login = Login(asked.login, _groups(asked.login), asked.address or _SOMEWHERE, asked.drop_in)
    written = sshd_config.settings(sshd_config.main_file())
    return obstacles(login, wanted_settings(asked.wanted), effective, written)


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _groups(login: str) -> tuple[str, ...]:
    """Return the names of the login's groups, its own first; an account that is to be made has one of its name."""
    try:
        account = pwd.getpwnam(login)
        numbers = [account.pw_gid, *os.getgrouplist(login, account.pw_gid)]
        return tuple(dict.fromkeys(grp.getgrgid(number).gr_name for number in numbers))
    except KeyError:
        return (login,)


def _login_obstacles(asked: Question, effective: dict[str, list[str]]) -> list[str]:
    found = [_command_obstacle(asked)]
    if effective.get("usepam") == ["yes"]:
        refusal = pam_refusal(asked.login, asked.address or _SOMEWHERE)
        if refusal:
            found.append(
                f"PAM refuses {asked.login} ({refusal}): see the account lines of /etc/pam.d/sshd and what they read "
                "(/etc/nologin, /etc/security/access.conf, chage -l)"
            )
    else:
        found += _without_pam(asked.login)
    keys = f"{asked.config_dir}/authorized_keys/{asked.login}"
    return [*found, open_directory(keys) if effective.get("strictmodes") == ["yes"] else ""]


def _command_obstacle(asked: Question) -> str:
    """Return why the login does not come to the dispatcher, empty if it does."""
    shell = pwd.getpwnam(asked.login).pw_shell
    if os.path.basename(shell) in ("nologin", "false"):
        return f"{asked.login} has the shell {shell}, which starts nothing: usermod -s /bin/sh {asked.login}"
    if asked.sudoers and not _program("sudo"):
        return "sudo is not installed: install it, or set backup_client_login to root"
    trial = login_trial.try_command(asked.login, asked.command)
    written = list(sudoers.rules(sudoers.main_file()))
    return login_trial.trial_obstacle(trial, asked.login, asked.sudoers, written)


def _without_pam(login: str) -> list[str]:
    """Return what sshd itself refuses when it does not ask PAM (auth.c, allowed_user; session.c, do_nologin)."""
    found = (
        ["/etc/nologin is there, so sshd lets nobody in but root: remove it"] if os.path.exists("/etc/nologin") else []
    )
    locked = [line for line in sshd_config.read_lines(_SHADOW) if line.startswith(f"{login}:!")]
    return found + [f"{login} is locked, which sshd minds without PAM: usermod -p '*' {login}" for _turn in locked]


def open_directory(path: str) -> str:
    """Return the complaint of sshd's StrictModes about the way to a file (misc.c, safe_path), empty without one."""
    while path != "/":
        mode = os.stat(path).st_mode if os.path.exists(path) else 0
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{path} can be written to by others than root, so sshd reads no key there: chmod go-w {path}"
        path = os.path.dirname(path)
    return ""


def _version(sudo: str) -> list[int]:
    if not sudo:
        return []
    done = run_program([sudo, "-V"])
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", done.said)
    return [int(number) for number in found.groups()] if found else []


def _host_keys(general: dict[str, list[str]]) -> list[str]:
    """Return type and key of what sshd shows; what it cannot load, it does not show."""
    keys = (_public_key(path) for path in general.get("hostkey", []))
    return sorted({" ".join(key.split()[:2]) for key in keys if key})


def _public_key(path: str) -> Optional[str]:
    if not os.path.exists(path):
        return None
    keygen = _program("ssh-keygen")
    if keygen:
        done = run_program([keygen, "-y", "-P", "", "-f", path])
        if done.returncode == 0:
            return done.said
    return "".join(sshd_config.read_lines(path + ".pub")[:1])


def describe_account(login: str, shadow: Sequence[str]) -> dict[str, Any]:
    """Return the account as the module ansible.builtin.user takes it, empty if there is none.

    Of its password only whether it is ``*``, with which nobody comes in; ``another`` stands for everything else.
    """
    try:
        account = pwd.getpwnam(login)
        names = {number: grp.getgrgid(number).gr_name for number in os.getgrouplist(login, account.pw_gid)}
    except KeyError:
        return {}
    passwords = {line.split(":")[1] for line in shadow if line.startswith(f"{login}:")}
    return {
        "group": names.pop(account.pw_gid, str(account.pw_gid)),
        "groups": sorted(names.values()),
        "comment": account.pw_gecos,
        "home": account.pw_dir,
        "shell": account.pw_shell,
        "password": "*" if passwords == {"*"} else "another",
    }


def is_ageing(login: str, shadow: Sequence[str]) -> bool:
    """Tell whether shadow(5) has a day on which the account or its password expires, or wants a new password now."""
    for line in shadow:
        name, _sep, fields = line.partition(":")
        if name == login:
            changed, _least, longest, _warning, inactive, expires = (fields.split(":") + [""] * 8)[1:7]
            return changed == "0" or expires not in ("", "-1") or inactive not in ("", "-1") or _ends(longest)
    return False


def _ends(longest: str) -> bool:
    return longest.isdigit() and int(longest) < 99999
