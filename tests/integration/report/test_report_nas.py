# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance with a NAS under each client: what they say is in the mail, and nothing goes without their snapshot."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mail_server import Mailbox
from report_bench import Bench, smtp
from report_samples import HOSTILE, MAINTAINED
from tool import ROOT

# What a person would see there: a pool that lost a disk, and text of somebody who wants to be in the mail.
PROGRAM = """#!/bin/sh
echo "$@" >>$0.calls
case "$*" in
status)
    printf '{{"measured": %s, "ages": {{"snapshot": 7260, "copy": 93600, "scrub": null}},' "$(date +%s)"
    echo '"pools": {{"tank": {{"capacity": "42%"}}}}, "remarks": ["two of a kind"],'
    echo '"problems": ["pool tank is DEGRADED", "{hostile}"]}}'
    exit 1 ;;
"snapshot --reason maintenance") echo "took tank/backup@paranoid-20261126T030000Z-maintenance" ;;
*) exit 9 ;;
esac
"""


def make_nas(folder: Path, program: str) -> dict[str, Any]:
    """Lay a program down where the role has it on a TrueNAS; the inventory's variables of that NAS."""
    own = folder / "backup-nas"
    own.mkdir(parents=True)
    (own / "paranoid-backup-nas").write_text(program)
    (own / "paranoid-backup-nas").chmod(0o755)
    return {"backup_nas_backend": "core_iocage", "backup_nas_dataset": os.path.relpath(folder / "backup", "/mnt")}


@contextmanager
def silence() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port where connections are taken and nothing is ever said, as by a NAS whose disks hang; and who came."""
    came: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            with suppress(OSError):
                while True:
                    came.append(listening.accept()[0])

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listening.getsockname()[1], came
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for one in came:
        one.close()


@pytest.fixture
def silent() -> Iterator[tuple[int, list[socket.socket]]]:
    with silence() as found:
        yield found


def test_the_nas_is_in_the_mail_and_nothing_goes_without_its_snapshot(
    bench: Bench, mailbox: Mailbox, silent: tuple[int, list[socket.socket]]
) -> None:
    """One that is well enough, one that is away, one whose program fails; each only stops its own clients."""
    hostile = "".join(char for char in HOSTILE if char.isprintable() and char.isascii() and char not in "\"'%{}\\")
    bench.settings, (port, came) = smtp(mailbox), silent
    bench.nas = {
        "nas1": make_nas(bench.root / "nas1", PROGRAM.format(hostile=hostile)),
        "nas2": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_timeout": 2},
        "nas3": make_nas(bench.root / "nas3", "#!/bin/sh\necho another run is at work >&2; exit 1\n"),
    }
    for name, nas in (("web01", {}), ("db01", {"backup_client_nas": "nas2"}), ("db02", {"backup_client_nas": "nas3"})):
        bench.hosts[name] = {"told": {"only": MAINTAINED}, **nas}
    done = bench.run(f"{ROOT}/playbooks/maintain.yml", "-e", "backup_client_server=localhost backup_ask_roll=false")
    assert (done.code, done.record["status"]) == (2, "FAILURE"), done.output
    assert [client["state"] for client in done.record["clients"]] == ["ok", "failed", "failed"], done.output
    assert (
        "nas3 took no snapshot, so nothing was let go; mend that on the NAS (docs/nas.md): another run"
        in done.client("db02")["session"]["reason"]
    )
    assert "nas2 took no snapshot, so nothing was let go; " in done.client("db01")["session"]["reason"]
    assert len(came) == 1, "one that is away costs its timeout once in a run, however many clients and plays there are"
    calls = (bench.root / "nas1/backup-nas/paranoid-backup-nas.calls").read_text().splitlines()
    assert calls == ["status", "snapshot --reason maintenance"], "once each, and in this order"
    assert [one["name"] for one in done.record["nas"]] == ["nas1", "nas2", "nas3"]
    text = " ".join(mailbox.text().split())
    assert "Somebody should look at nas1, nas2 and nas3: 4 problems." in text
    assert "nas1 pool tank is DEGRADED <script>alert(1)</script>" in text and "nas3 another run is at work" in text
    assert "NAS nas1: snapshot 2 h 01 min ago, copy 1 d 02 h ago, tank 42 % full NAS nas1: two of a kind" in text
    assert "<script>" not in (done.directory / "report.html").read_text()
