# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine with real OpenZFS: QEMU without hardware's help, a tiny process 1, ssh to 127.0.0.1 alone."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tool import ROOT

UP = "PARANOID-UP"  # what its process 1 says on the console
_BOOT = 300.0  # seconds, on a busy machine; a quiet one takes five


class VmError(Exception):
    """The machine does not work; says what it said."""


def make_image() -> Path:
    """Return the directory of the image, made when it is missing; VmError with the reason when it cannot be had."""
    done = subprocess.run([ROOT / "tests/tools/vm"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VmError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "tests/tools/vm said nothing")
    return Path(done.stdout.strip())


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Vm:
    """One machine; ``disks`` are files that outlive it, and become vdb, vdc and so on."""

    image: Path
    folder: Path
    disks: list[Path]
    port: int = field(default_factory=free_port)
    qemu: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start it and wait until its sshd is up."""
        console = self.folder / "console"
        console.unlink(missing_ok=True)
        with (self.folder / "qemu.log").open("wb") as log:
            self.qemu = subprocess.Popen(self._command(console), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + _BOOT
        while not console.exists() or UP not in console.read_text(errors="replace"):
            if self.qemu.poll() is not None or time.monotonic() > until:
                raise VmError(
                    f"{(self.folder / 'qemu.log').read_text()}\n{console.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)

    def _command(self, console: Path) -> list[str]:
        command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]
        command += ["-smp", "2", "-m", "1536", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd")]
        command += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off", "-serial", f"file:{console}"]
        drives = [
            (self.image / "root.img", "snapshot=on,cache=unsafe"),
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
        with contextlib.suppress(OSError):
            subprocess.run([*self.ssh("-O", "exit")], capture_output=True, check=False)
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait(60)


@contextmanager
def machine(image: Path, folder: Path, megabytes: dict[str, int]) -> Iterator[Vm]:
    """Boot a machine with these disks; it ends with this."""
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
