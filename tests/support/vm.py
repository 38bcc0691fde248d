# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine with real OpenZFS: QEMU without hardware's help, a tiny process 1, ssh to 127.0.0.1 alone.

It boots once, and what was then in its memory is kept: after a power cut it goes on from there, in a second or two, as
one that has just booted. At that moment its driver has let go of the disks of its pools, and so knows nothing of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tool import ROOT

UP = "PARANOID-UP"  # what its process 1 says on the console
_LACKING = 77  # exit code of tests/tools/vm
_PATIENCE = 600.0  # seconds, on a busy machine; a quiet one boots in five
_LET_GO = """cd /sys/bus/virtio/drivers/virtio_blk
for disk in /sys/block/vd[b-z]; do basename "$(readlink -f "$disk/device")"; done >/run/disks
while read -r device; do echo "$device" >unbind; done </run/disks
sync"""
# Without new randomness it would make the same keys, ids and data again after each cut.
_TAKE = """cat >/dev/urandom
python3 -c 'import fcntl; fcntl.ioctl(open("/dev/urandom", "w"), 0x5207)'
while read -r device; do echo "$device" >/sys/bus/virtio/drivers/virtio_blk/bind; done </run/disks
udevadm settle"""


class VmError(Exception):
    """The machine does not work; says what it said."""


class NoVmError(Exception):
    """There can be no such machine here; says why."""


def make_image() -> Path:
    """Return the directory of the image, made when it is missing; NoVmError with the reason when it cannot be had."""
    done = subprocess.run([ROOT / "tests/tools/vm"], capture_output=True, text=True, check=False)
    if done.returncode == _LACKING:
        raise NoVmError(done.stderr.strip())
    if done.returncode != 0:
        raise VmError(done.stderr[-3000:] or "tests/tools/vm said nothing")
    return Path(done.stdout.strip())


def free_port() -> int:
    """Return a port that nobody listens on, below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Vm:
    """One machine; ``disks`` are files that outlive it, and become vdb, vdc and so on."""

    image: Path
    folder: Path
    disks: list[Path]
    port: int = 0
    lives: int = 0
    qemu: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Boot it, and wait until its sshd is up."""
        self._start()
        console = self.folder / "console"
        self._wait_for(lambda: console.exists() and UP in console.read_text(errors="replace"))

    def keep_state(self) -> None:
        """Keep what is in the memory of an idle machine whose pools are not imported, and end it."""
        self.read(_LET_GO)
        self._leave()
        with self._monitor() as ask:
            ask("stop")
            ask("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            ask("migrate", uri=f"exec:cat >{shlex.quote(str(self._state))}")
            self._wait_for(lambda: ask("query-migrate").get("status") in ("completed", "failed"))
            assert ask("query-migrate")["status"] == "completed", ask("query-migrate")
        self.cut_power()

    def resume(self) -> None:
        """Start it again from that state, with the clock and the randomness of now, and with its disks."""
        self._start("-incoming", f"exec:cat {shlex.quote(str(self._state))}")
        with self._monitor() as ask:
            self._wait_for(lambda: ask("query-status")["status"] == "paused")
            ask("cont")
        self.lives += 1
        numbers = self.lives % 10 * 3000  # of processes: nobody is taken for one of an earlier life, as a lock names it
        settings = f"date --set=@{time.time():.0f} >/dev/null; echo {numbers + 1000} >/proc/sys/kernel/ns_last_pid"
        self.read(f"{settings}\n{_TAKE}", os.urandom(64))

    @property
    def _state(self) -> Path:
        return self.folder / "state"

    def _start(self, *options: str) -> None:
        for name in ("console", "monitor"):
            (self.folder / name).unlink(missing_ok=True)
        self.port = free_port()
        with (self.folder / "qemu.log").open("wb") as log:
            self.qemu = subprocess.Popen([*self._command(), *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_for(self, is_there: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while not is_there():
            if not self.qemu or self.qemu.poll() is not None or time.monotonic() > until:
                said = ((self.folder / name) for name in ("qemu.log", "console"))
                raise VmError("\n".join(file.read_text(errors="replace")[-2000:] for file in said if file.exists()))
            time.sleep(0.05)

    @contextmanager
    def _monitor(self) -> Iterator[Callable[..., Any]]:
        """Yield what asks QEMU something, in its own protocol (QMP), and returns the answer."""
        with socket.socket(socket.AF_UNIX) as line:
            self._wait_for(lambda: line.connect_ex(str(self.folder / "monitor")) == 0)
            words = line.makefile("r")

            def ask(command: str, **arguments: Any) -> Any:
                line.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
                for word in words:
                    answer = json.loads(word)
                    assert "error" not in answer, answer
                    if "return" in answer:
                        return answer["return"]
                raise VmError((self.folder / "qemu.log").read_text())

            ask("qmp_capabilities")
            yield ask

    def _command(self) -> list[str]:
        command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]
        command += ["-smp", "2", "-m", "1536", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd")]
        command += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
        command += ["-serial", f"file:{self.folder / 'console'}"]
        command += ["-qmp", f"unix:{self.folder / 'monitor'},server=on,wait=off"]
        drives = [
            (self.image / "root.img", "readonly=on"),
            *((disk, "cache=writeback") for disk in self.disks),
        ]
        for number, (path, options) in enumerate(drives):
            command += ["-drive", f"file={path},if=none,id=d{number},format=raw,{options}"]
            command += ["-device", f"virtio-blk-pci,drive=d{number}"]
        forward = f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        return [*command, "-netdev", forward, "-device", "virtio-net-pci,netdev=n"]

    def ssh(self, *options: str) -> list[str]:
        """Return ssh's command line; connections are shared."""
        settings = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR"}
        settings |= {"ControlMaster": "auto", "ControlPath": f"{self.folder}/ssh", "ControlPersist": "600"}
        pairs = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        address = ["-p", str(self.port), "root@127.0.0.1"]
        return ["ssh", "-F", "none", "-i", str(self.image / "key"), *pairs, *options, *address]

    def run(self, script: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell script there; never raises for an exit code."""
        done = subprocess.run([*self.ssh(), script], input=given or b"", capture_output=True, check=False)
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def read(self, script: str, given: bytes | None = None) -> str:
        """What a script says that must succeed."""
        done = self.run(f"set -eu\n{script}", given)
        assert done.returncode == 0, f"{script[:300]}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def cut_power(self) -> None:
        """Kill it: what it had not written is lost."""
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait(_PATIENCE)
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            subprocess.run([*self.ssh("-O", "exit")], capture_output=True, check=False)


@contextmanager
def machine(image: Path, folder: Path, megabytes: dict[str, int]) -> Iterator[Vm]:
    """Boot a machine with these disks, which are empty; it ends with this."""
    disks = [folder / name for name in megabytes]
    for disk, size in zip(disks, megabytes.values(), strict=True):
        with disk.open("wb") as file:
            file.truncate(size << 20)
    vm = Vm(image, folder, disks)
    try:
        vm.boot()
        yield vm
    finally:
        vm.cut_power()
