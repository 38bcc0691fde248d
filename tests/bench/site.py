# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `site.yml` costs the controller for a client that is provisioned already, against a play that pings it once.

Needs a lab that is up. Processor time of ansible-playbook and all its children, for one client and for all of the lab:
the difference is what each client adds, without what a run costs whoever it is for. The budget is 1.5 s a client.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from lab import BIN, INVENTORY, ROOT, Lab

CLIENTS = ["web1", "db1", "odd1", "new1"]
PING = [{"hosts": "backup_clients", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]


def processor_time(lab: Lab, playbook: Path, clients: list[str]) -> float:
    """Return the seconds of one run, which must change nothing."""
    argv: list[str | Path] = [BIN / "ansible-playbook", "-i", INVENTORY, playbook, "--limit", ",".join(clients)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and "changed=1" not in done.stdout, done.stdout + done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure both plays and print what a client adds to each."""
    lab = Lab.up()
    ping = lab.state / "ping.yml"
    ping.write_text(json.dumps(PING))
    assert lab.run("site").returncode == 0, "the lab cannot be provisioned"
    added = {}
    for playbook in (ROOT / "playbooks/site.yml", ping):
        one, all_of_them = (processor_time(lab, playbook, clients) for clients in (CLIENTS[:1], CLIENTS))
        added[playbook.stem] = (all_of_them - one) / (len(CLIENTS) - 1)
        print(f"{playbook.name}: {one:.2f} s for one client, {added[playbook.stem]:.2f} s for each further one")
    print(f"a client that is provisioned costs as much as {added['site'] / added['ping']:.0f} pings")


if __name__ == "__main__":
    main()
