# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of a given round trip before a command, as ssh would be: ``delayed.py MILLISECONDS COMMAND...``.

Each byte comes half a round trip after it was sent, in each direction, however many are under way.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time

SIZE = 256 * 1024


def carry(source: int, target: int, delay: float) -> None:
    """Copy until the end of SOURCE, each part DELAY seconds after it was read; then close TARGET."""
    parts: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def read() -> None:
        data = b"-"
        while data:
            data = os.read(source, SIZE)
            parts.put((time.monotonic() + delay, data))

    threading.Thread(target=read, daemon=True).start()
    while True:
        due, data = parts.get()
        time.sleep(max(0.0, due - time.monotonic()))
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        if not data:
            os.close(target)
            return


def main() -> int:
    """Run the command behind the line."""
    delay = int(sys.argv[1]) / 2000
    with subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        there = threading.Thread(target=carry, args=(0, os.dup(process.stdin.fileno()), delay), daemon=True)
        process.stdin.close()
        there.start()
        carry(process.stdout.fileno(), 1, delay)
    return process.returncode


if __name__ == "__main__":
    os._exit(main())
