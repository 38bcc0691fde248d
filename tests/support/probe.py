# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a client: whatever answers at an address, on TCP, UDP or ICMP, as one line of JSON."""

from __future__ import annotations

import errno
import json
import select
import socket
import struct
import sys
import time

TCP_PORTS = (*range(1, 1025), 2222, 2525, 5432, 8080, 9102, 64022, 64064)
UDP_PORTS = (53, 67, 123, 161, 5353)
SECONDS = 3.0  # for an answer; one comes within a millisecond here


def tcp(address: str) -> dict[int, str]:
    """Return the ports that answered, ``open`` or the name of an error; a batch at a time, as descriptors are few."""
    answers: dict[int, str] = {}
    for first in range(0, len(TCP_PORTS), 520):
        answers |= _tcp(address, TCP_PORTS[first : first + 520])
    return answers


def _tcp(address: str, ports: tuple[int, ...]) -> dict[int, str]:
    waiting: dict[int, tuple[socket.socket, int]] = {}
    poll = select.poll()
    for port in ports:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((address, port))
        waiting[sock.fileno()] = (sock, port)
        poll.register(sock, select.POLLOUT)
    answers: dict[int, str] = {}
    until = time.monotonic() + SECONDS
    while waiting and (left := until - time.monotonic()) > 0:
        for descriptor, _event in poll.poll(left * 1000):
            poll.unregister(descriptor)
            sock, port = waiting.pop(descriptor)
            answers[port] = _outcome(sock)
            sock.close()
    for sock, _port in waiting.values():
        sock.close()
    return answers


def _outcome(sock: socket.socket) -> str:
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode[code] if code else "open"


def udp(address: str) -> dict[int, str]:
    """Return the ports that answered with data, or with ICMP that says that nobody is there."""
    socks = []
    for port in UDP_PORTS:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((address, port))
        sock.send(b"?")
        socks.append((port, sock))
    time.sleep(1)
    return {port: said for port, sock in socks if (said := _heard(sock))}


def _heard(sock: socket.socket) -> str:
    sock.setblocking(False)
    try:
        return sock.recv(100).hex()
    except BlockingIOError:
        return ""
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def icmp(address: str) -> bool:
    """Tell whether an echo request is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(1)
        sock.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1) + b"probe", (address, 0))
        try:
            return sock.recv(100)[0] == 0
        except TimeoutError:
            return False


if __name__ == "__main__":
    target = sys.argv[1]
    print(json.dumps({"tcp": tcp(target), "udp": udp(target), "icmp": icmp(target)}))
