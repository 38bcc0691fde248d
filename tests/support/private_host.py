# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as another host: an /etc of its own in which a test may spoil what it likes, real sshd, sudo and PAM.

`try_host` starts this file in a mount namespace of its own, so nothing of it is seen outside, and takes half a second.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from tool import ROOT

LOGIN = "paranoid-backup"
DROP_IN = "/etc/ssh/sshd_config.d/50-paranoid-backup.conf"
SUDOERS = "/etc/sudoers.d/paranoid-backup"
LIBEXEC = "/usr/local/libexec/paranoid-backup"
COMMAND = f"sudo -n {LIBEXEC}/dispatch"
NEWER = {"ChannelTimeout": "*=0", "PubkeyAcceptedAlgorithms": "ssh-ed25519", "UnusedConnectionTimeout": "none"}
# The real one's first words: it wants a line, and says hello; then it works for a while, which takes other programs.
DISPATCHER = """#!/bin/sh
read -r request || { echo 'dispatch: the session ended before its request' >&2; exit 2; }
echo hello; /usr/bin/sleep "$request" && /usr/bin/id -u
"""


@dataclass(frozen=True)
class Case:
    """What is other on this host. ``files`` are added to or, with a leading ``=``, put in the place of the old.

    ``commands`` run once it is provisioned; what ``spoils`` before that is seen at the first look.
    """

    files: dict[str, str] = field(default_factory=dict)
    spoils: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    seconds: float = 0.0  # how long the session stays quiet
    address: str = "127.0.0.1"


def try_host(case: Case) -> dict[str, Any]:
    """Return ``before`` and ``after`` (obstacles), ``keys`` of the host, ``works``, and what was ``said``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8"}
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__]
    done = subprocess.run(
        argv, input=json.dumps(asdict(case)), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def render(name: str) -> str:
    """Return a template of the role as it is for a client with nothing special."""
    folder = ROOT / "roles/backup_client/templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), trim_blocks=True, autoescape=False)
    environment.filters |= {"comment": lambda text: f"# {text}", "ternary": lambda test, yes, no: yes if test else no}
    return environment.get_template(name).render(
        ansible_managed="Ansible",
        backup_client_from=[],
        backup_client_login=LOGIN,
        backup_client_transport="socket",
        backup_client_server_public_key=Path("/etc/ssh/server.pub").read_text(),
        __backup_client_command=COMMAND,
        __backup_client_config_dir="/etc/paranoid-backup",
        __backup_client_libexec=LIBEXEC,
        __backup_client_permitlisten="127.0.0.1:1",
        __backup_client_sshd_newer=NEWER,
        __backup_client_look={"sshd_keywords": [keyword.lower() for keyword in NEWER], "sudo_version": [1, 9, 13]},
    )


def main() -> None:
    """Become the host, be looked at and logged in to."""
    case = json.load(sys.stdin)
    _become()
    _spoil(case)
    _make_login()
    _run(case["spoils"])
    before = _look({})
    _provision()
    _run(case["commands"])
    after = _look({"command": COMMAND, "wanted": render("sshd.conf.j2"), "address": case["address"]})
    works, said = _log_in(case["seconds"])
    result = {"before": before["obstacles"], "after": after["obstacles"], "keys": after["host_keys"]}
    print(json.dumps(result | {"works": works, "said": said, "ageing": [before["is_ageing"], after["is_ageing"]]}))


def _become() -> None:
    scratch = tempfile.mkdtemp()
    _mount("-t", "tmpfs", "none", scratch)
    for folder in ("/etc", "/usr/local"):
        upper, work = f"{scratch}{folder}/upper", f"{scratch}{folder}/work"
        os.makedirs(upper)
        os.makedirs(work)
        _mount("-t", "overlay", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", folder)
    _mount("-t", "tmpfs", "none", "/run")
    os.makedirs("/run/sshd")
    shutil.rmtree("/etc/ssh/sshd_config.d")
    os.makedirs("/etc/ssh/sshd_config.d")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/server"], check=True)
    # As Debian ships them, whatever this machine has.
    Path("/etc/ssh/sshd_config").write_text("Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
    Path("/etc/sudoers").write_text("Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _spoil(case: dict[str, Any]) -> None:
    for name, text in case["files"].items():
        path = Path(name.lstrip("="))
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.read_text() if path.exists() and not name.startswith("=") else ""
        path.write_text(old + text)
        path.chmod(0o440 if "sudoers" in name else 0o644)


def _make_login() -> None:
    subprocess.run(["useradd", "-r", "-M", "-d", "/", "-s", "/bin/sh", "-p", "*", LOGIN], check=True)


def _run(commands: list[str]) -> None:
    for command in commands:
        subprocess.run(["sh", "-c", command], check=True, stdout=sys.stderr)


def _provision() -> None:
    keys = f"/etc/paranoid-backup/authorized_keys/{LOGIN}"
    files = {SUDOERS: render("sudoers.j2"), DROP_IN: render("sshd.conf.j2"), keys: render("authorized_keys.j2")}
    for name, text in files.items():
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Path(name).write_text(text)
        os.chmod(name, 0o440 if name == SUDOERS else 0o644)
    os.makedirs(LIBEXEC)
    Path(f"{LIBEXEC}/dispatch").write_text(DISPATCHER)
    os.chmod(f"{LIBEXEC}/dispatch", 0o755)
    os.mkdir("/run/paranoid-backup", 0o700)
    shutil.chown("/run/paranoid-backup", LOGIN, LOGIN)


def _look(asked: dict[str, Any]) -> dict[str, Any]:
    from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import Question, look

    usual = {"login": LOGIN, "command": "", "drop_in": DROP_IN, "wanted": "", "sudoers": SUDOERS, "host": "127.0.0.1"}
    return look(Question(**{**usual, "port": 22, "address": "", "config_dir": "/etc/paranoid-backup", **asked}))


def _log_in(seconds: float) -> tuple[bool, str]:
    """Hold a session as the server does, with its tunnel; tell whether it came to its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-p", port], stderr=subprocess.PIPE, text=True)
    try:
        done = _session(started, port, seconds)
    finally:
        started.terminate()
    said = started.communicate()[1]
    wanted = [b"hello", b"0"]
    return done.stdout.split(b"\n")[:2] == wanted and done.returncode == 0, f"{done.stderr!r} {said}"


def _session(sshd: subprocess.Popen[str], port: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    fixed = {"BatchMode": "yes", "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR"}
    options = [word for name, value in fixed.items() for word in ("-o", f"{name}={value}")]
    tunnel = ["-o", "ExitOnForwardFailure=yes", "-R", "/run/paranoid-backup/one.sock:/run/gate.sock"]
    argv = ["ssh", "-F", "none", "-T", "-i", "/etc/ssh/server", "-p", port, *options, *tunnel, f"{LOGIN}@127.0.0.1"]
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(port)), 1).close()
            break
        except OSError:
            if sshd.poll() is not None or time.monotonic() > until:
                return subprocess.CompletedProcess(argv, 255, b"", b"sshd does not start")
            time.sleep(0.05)
    return subprocess.run(argv, input=f"{seconds}\n".encode(), capture_output=True, check=False, timeout=300)


if __name__ == "__main__":
    main()
