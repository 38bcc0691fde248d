# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever stole the server's key, and even speaks from its address, gets the fixed verbs and nothing else."""

from __future__ import annotations

import json
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import ROOT, Lab
from lab_faults import write
from lab_thief import DOOR_PORT, ssh, stolen

CLIENTS = ("web1", "odd1", "broken1")  # one for each transport, and one where the login is root
KEY = "/etc/paranoid-backup/ssh/id_ed25519"
CANARY_PORT = 7777
CANARY_SOCKET = "/run/canary.sock"
TOUCHED = "/run/canary.touched"
WAYS = {  # what ssh is asked to forward, and where the thief knocks then
    "L-tcp": (f"-L 15001:127.0.0.1:{CANARY_PORT}", "TCP:127.0.0.1:15001"),
    "L-unix": (f"-L 15001:{CANARY_SOCKET}", "TCP:127.0.0.1:15001"),
    "L-unix-unix": (f"-L {{place}}.sock:{CANARY_SOCKET}", "UNIX-CONNECT:{place}.sock"),
    "D": ("-D 15001", f"SOCKS4A:127.0.0.1:127.0.0.1:{CANARY_PORT},socksport=15001"),
}
OTHER_PORTS = ("127.0.0.1:2223", "127.0.0.1:64065", "0.0.0.0:64064", "*:64064", "127.0.0.1:0")
OTHER_SOCKETS = ("/etc/thief.sock", "/run/thief.sock", "/run/sudo/thief.sock", "/root/thief.sock")
TRACES = ("LD_PRELOAD", "PYTHONPATH", "thief", "THIEF", "SSH_AUTH_SOCK", "DISPLAY", "SSH_TTY", "/dev/pts", "/tmp/ssh-")
NO_REQUEST = "dispatch: the session ended before its request"

# Stands for what root runs on a client and outsiders must not reach, such as docker.sock: it notes every visit.
CANARY = f"""
import os, selectors, socket
tcp = socket.create_server(("127.0.0.1", {CANARY_PORT}))
if os.path.exists("{CANARY_SOCKET}"):
    os.unlink("{CANARY_SOCKET}")
unix = socket.socket(socket.AF_UNIX)
unix.bind("{CANARY_SOCKET}")
os.chmod("{CANARY_SOCKET}", 0o666)
unix.listen()
waiting = selectors.DefaultSelector()
for listener in (tcp, unix):
    waiting.register(listener, selectors.EVENT_READ)
while True:
    for key, _events in waiting.select():
        visitor, _address = key.fileobj.accept()
        open("{TOUCHED}", "a").write("x")
        visitor.sendall(b"CANARY")
        visitor.close()
"""


@pytest.fixture(scope="module", params=CLIENTS)
def client(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A client where root's canary sits on a port and on a socket that everybody may connect to."""
    name = str(request.param)
    write(lab, name, "/root/canary.py", CANARY)
    lab.read(name, "systemd-run", "--quiet", "--collect", "--unit", "canary", "/usr/bin/python3", "/root/canary.py")
    lab.read(name, "sh", "-c", f"until [ -S {CANARY_SOCKET} ]; do sleep 0.1; done")
    yield name
    lab.read(name, "systemctl", "stop", "canary")
    lab.read(name, "rm", "-f", CANARY_SOCKET, TOUCHED, "/root/canary.py")


def command(lab: Lab, client: str, *arguments: str, program: str = "ssh") -> list[str]:
    """The thief's command line, without address and port: by then ssh knows the client by its name."""
    record = json.loads(lab.read("vault", "cat", f"/etc/paranoid-backup/clients/{client}.json"))
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "ExitOnForwardFailure": "yes",
        "HostKeyAlias": client,
        "HostName": record["host"],
        "IdentitiesOnly": "yes",
        "IdentityFile": KEY,
        "Port": str(record["port"]),
        "User": record["user"],
        "UserKnownHostsFile": record["known_hosts_file"],
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["timeout", "10", program, "-F", "none", *settings, *arguments]


def steal(lab: Lab, client: str, *arguments: str, request: bytes = b"") -> tuple[int, str]:
    """Use the key from the server; ``{client}`` among the arguments is the destination. Exit code and all words."""
    done = lab.exec("vault", *command(lab, client, *arguments), input=request)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def request(verb: str, session: str = "0" * 32, **more: object) -> bytes:
    """What the server would ask."""
    return json.dumps({"schema": 1, "verb": verb, "session": session, **more}).encode() + b"\n"


def touched(lab: Lab, client: str) -> bool:
    """Tell whether anybody reached the canary."""
    return lab.exec(client, "test", "-e", TOUCHED).returncode == 0


def knock(ssh: list[str], way: str, place: str) -> str:
    """Return a script that opens a way into the client and knocks at its end; ``place`` is for its sockets."""
    forward, door = (text.format(place=place) for text in WAYS[way])
    opened = shlex.join([*ssh[:-1], "-f", "-N", "-M", "-S", f"{place}.control", *forward.split(), ssh[-1]])
    return f"""
        {opened} </dev/null >/dev/null 2>&1 && echo knocking
        timeout 3 socat -u {door} STDOUT
        ssh -F none -S {place}.control -O exit client 2>/dev/null
        rm -f {place}.sock
    """


@pytest.mark.parametrize("way", WAYS)
def test_the_canary_is_reached_by_an_admin_who_may(lab: Lab, client: str, way: str, tmp_path: Path) -> None:
    """Without this the next test would prove nothing: the same ways with a key that is not restricted."""
    address = lab.read(client, "hostname", "--all-ip-addresses").split()[0]
    port = "2222" if client == "odd1" else "22"
    options = ["-F", "none", "-i", str(lab.state / "id_ed25519"), "-o", f"UserKnownHostsFile={lab.state}/known_hosts"]
    script = knock(["timeout", "10", "ssh", *options, "-p", port, f"root@{address}"], way, str(tmp_path / "way"))
    said = subprocess.run(["sh", "-c", script], capture_output=True, check=False, stdin=subprocess.DEVNULL).stdout
    assert said == b"knocking\nCANARY"
    assert touched(lab, client)
    lab.read(client, "rm", TOUCHED)


@pytest.mark.parametrize("way", WAYS)
def test_no_way_into_the_client(lab: Lab, client: str, way: str) -> None:
    said = lab.exec("vault", "sh", "-c", knock(command(lab, client, client), way, "/run/thief"))
    assert said.stdout == b"knocking\n", said.stderr
    assert not touched(lab, client)


@pytest.mark.parametrize("target", [*OTHER_PORTS, *OTHER_SOCKETS, CANARY_SOCKET])
def test_no_other_way_back(lab: Lab, client: str, target: str) -> None:
    code, said = steal(lab, client, "-N", "-R", f"{target}:127.0.0.1:22", client)
    assert code == 255 and "remote port forwarding failed" in said, said
    if target in OTHER_SOCKETS:
        assert lab.exec(client, "test", "-e", target).returncode == 1


@pytest.mark.parametrize("name", ["odd1", "broken1"])
def test_no_unix_socket_at_all_where_the_transport_is_ssh(lab: Lab, name: str) -> None:
    code, said = steal(lab, name, "-N", "-R", "/tmp/thief.sock:127.0.0.1:22", name)
    assert code == 255 and "remote port forwarding failed" in said


def test_a_socket_where_everybody_may_write_belongs_to_nobody_special(lab: Lab) -> None:
    """sshd cannot limit where a unix socket is made; so the account must be worth nothing."""
    path = f"/tmp/thief-{uuid.uuid4().hex}"
    script = f"{shlex.join(command(lab, 'web1', '-N', '-R', f'{path}:127.0.0.1:22', 'web1'))} & sleep 3; kill $!"
    lab.exec("vault", "sh", "-c", script)
    made = lab.read("web1", "stat", "--format", "%U %a", path).split()
    lab.read("web1", "rm", path)
    assert made == ["paranoid-backup", "600"]


@pytest.mark.parametrize("wanted", ["id", "sh -c id", "sudo -n id", "cat /etc/paranoid-backup/passphrase", ""])
def test_no_other_command(lab: Lab, client: str, wanted: str) -> None:
    code, said = steal(lab, client, "-T", client, *wanted.split())
    assert (code, said.strip()) == (2, NO_REQUEST)


def test_no_terminal_agent_display_or_environment(lab: Lab, client: str) -> None:
    evil = ["-o", "SetEnv=LD_PRELOAD=/tmp/x.so PYTHONPATH=/tmp PARANOID_THIEF=1", "-A", "-X"]
    ssh = shlex.join(command(lab, client, *evil, client))
    # A forced terminal that is refused ends ssh, so it is asked for by a connection of its own.
    terminal = shlex.join(command(lab, client, "-tt", client))
    tries = f"(sleep 8) | {ssh} 2>&1; {terminal} </dev/null 2>&1"
    thief = f"eval $(ssh-agent) >/dev/null; ssh-add -q {KEY}; export DISPLAY=:1; {tries}; ssh-agent -k"
    watch = """
        for i in $(seq 60); do pid=$(pgrep -o -f '^/usr/bin/python3 -I .*/dispatch') && break; sleep 0.1; done
        tr '\\0' '\\n' </proc/$pid/environ; readlink /proc/$pid/fd/0; ls -d /tmp/ssh-*
    """
    argv = ["podman", "exec", f"{lab.name}-vault", "sh", "-c", thief]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        seen = lab.exec(client, "sh", "-c", watch).stdout.decode()
        said = running.communicate()[0]
    # Where the login is root, no sudo stands between sshd and the dispatcher.
    mark = "SSH_CONNECTION" if client == "broken1" else "SUDO_UID"
    assert mark in seen, "this was not the dispatcher's environment"
    assert [trace for trace in TRACES if trace in seen] == []
    assert "PTY allocation request failed" in said


def test_no_file_transfer(lab: Lab, client: str) -> None:
    lab.read("vault", "sh", "-c", "echo mine >/run/loot")
    tries = (
        ("scp", ["-O", "/run/loot", f"{client}:/tmp/loot"]),
        ("scp", ["-s", "/run/loot", f"{client}:/tmp/loot"]),
        ("scp", [f"{client}:/etc/hostname", "/run/stolen"]),
        ("sftp", ["-b", "/dev/null", client]),
    )
    lines = [shlex.join(command(lab, client, *arguments, program=program)) for program, arguments in tries]
    codes = lab.read("vault", "sh", "-c", "".join(f"({line}; echo code $?) 2>&1 &\n" for line in lines) + "wait")
    assert codes.count("code ") == len(tries) and "code 0" not in codes
    assert lab.exec(client, "test", "-e", "/tmp/loot").returncode == 1
    assert lab.exec("vault", "test", "-e", "/run/stolen").returncode == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (request("delete"), "knows the verbs"),
        (request("backup; id"), "knows the verbs"),
        (request("backup", command="id"), "needs exactly"),
        (request("backup", session="../../etc/x"), "32 hex digits"),
        (b"\xff\x00\n", "not a line of JSON"),
        (request("info") + request("info"), "more than one line"),
    ],
)
def test_no_other_request(lab: Lab, line: bytes, words: str) -> None:
    code, said = steal(lab, "web1", "-T", "web1", request=line)
    assert code == 2 and said.startswith("dispatch: ") and words in said, said


def test_a_fixed_verb_without_a_tunnel_leads_nowhere(lab: Lab, client: str) -> None:
    ssh = shlex.join(command(lab, client, "-T", client))
    line = shlex.quote(request("info").decode())
    done = lab.exec("vault", "sh", "-c", f"(printf %s {line}; sleep 8) | {ssh}")
    hello, result = (json.loads(answer) for answer in done.stdout.decode().splitlines())
    assert hello["hello"] == "0" * 32
    assert result["status"] == "failed" and result["info"] is None and result["archive"] is None


def test_no_sshd_answers_a_client_key_while_no_session_is_open(lab: Lab) -> None:
    """Neither on the client, where its tunnel ends, nor on the server, where no sshd of ours listens."""
    for host in ("odd1", "vault"):
        with stolen(lab, "odd1", KEY, host):
            for port in (DOOR_PORT, "64022"):
                done = lab.exec(host, *ssh(port, "bk-odd1@127.0.0.1"))
                assert done.returncode == 255 and b"Connection refused" in done.stderr, (host, port, done.stderr)
