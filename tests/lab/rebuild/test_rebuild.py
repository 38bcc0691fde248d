# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host burned: a fresh machine of the next release becomes it, with its database, its web service and its people."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from escrow_world import make_identity
from lab import ROOT, Lab
from lab_runs import backup
from waiting import wait_until

SPARE = "spare"  # the fresh machine, beside the lab's own
MAC = "02:70:62:00:00:1e"  # The same each time: the controller remembers an address for longer than ssh waits.
PICTURE_BYTES = 8 * 2**20
KEPT = "/home/picture"  # It stays when the test is over: a host that loses so much at once is red.
SETUP = f"""
useradd --create-home --uid 1500 --shell /bin/bash ana && echo ana:secret | chpasswd && adduser --quiet ana adm
mkdir /home/ana/site && echo 'Nothing burned.' >/home/ana/site/index.html
test -e {KEPT} || head -c {PICTURE_BYTES} /dev/urandom >{KEPT}
mv {KEPT} /home/ana/site/picture && chown -R ana: /home/ana/site && chmod 755 /home/ana
echo 'server {{ listen 8080; root /home/ana/site; }}' >/etc/nginx/conf.d/ana.conf
systemctl enable --quiet --now nginx
apt-get -q update >/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -q -y install mariadb-server >/dev/null
mariadb -e 'CREATE DATABASE blog; USE blog; CREATE TABLE post AS SELECT seq FROM seq_1_to_7000'
"""
UNDO = f"""
systemctl disable --quiet --now nginx; rm /etc/nginx/conf.d/ana.conf
mv /home/ana/site/picture {KEPT}; chown root: {KEPT}; userdel --remove ana
mariadb -e 'DROP DATABASE blog'; DEBIAN_FRONTEND=noninteractive apt-get -q -y purge mariadb-server
DEBIAN_FRONTEND=noninteractive apt-get -q -y autoremove
"""
SQL = "cd /; runuser -u postgres -- psql -XAtc '{}' shop"
ROWS = SQL.format("SELECT count(*), md5(string_agg(t::text, $$,$$ ORDER BY id)) FROM purchase t")
POSTS = "SELECT count(*), sum(seq) FROM blog.post"
ROLE = SQL.format("SELECT rolsuper FROM pg_roles WHERE rolname = $$root$$")


def boot_spare(lab: Lab) -> str:
    """Boot a fresh Debian 13 in the lab's network; return its host key."""
    image = (ROOT / ".cache/images/trixie").read_text().strip()
    key = lab.state / "id_ed25519.pub"
    argv = ["podman", "run", "--detach", "--name", f"{lab.name}-{SPARE}", "--hostname", "db1", "--systemd", "always"]
    argv += ["--network", lab.name, "--ip", address(lab), "--mac-address", MAC]
    argv += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    subprocess.run([*argv, "--volume", f"{key}:/root/.ssh/authorized_keys:ro", image, "/sbin/init"], check=True)
    there = "/etc/ssh/ssh_host_ed25519_key.pub"
    assert wait_until(lambda: lab.exec(SPARE, "systemctl", "is-active", "ssh").returncode == 0, 120)
    return lab.read(SPARE, "cat", there).strip()


def address(lab: Lab) -> str:
    """The fresh machine's."""
    return f"{lab.environment['PARANOID_LAB_NET']}.30"


def write_inventory(path: Path, recipient: str, **more: Any) -> None:
    """Write what is laid over the lab's inventory: who may open the escrow of db1, and where db1 is."""
    people = [{"holder": "ana", "recipient": recipient}]
    blog = [{"name": "blog"}]
    host = {"backup_client_escrow_recipients": people, "backup_client_mariadb_databases_test": blog, **more}
    path.write_text(json.dumps({"backup_clients": {"hosts": {"db1": host}}}))


@pytest.fixture
def burning(lab: Lab) -> Iterator[Lab]:
    """``db1`` with what is to come back; afterwards it is db1 again as the others know it."""
    lab.read("db1", "sh", "-euc", SETUP)
    try:
        yield lab
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "0", f"{lab.name}-{SPARE}"], check=False)
        lab.end_connections()
        lab.exec("db1", "sh", "-c", UNDO)
        done = lab.run("site", "--limit", "db1")
    assert done.returncode == 0, done.stdout


def test_a_fresh_machine_becomes_the_host_that_burned(burning: Lab, tmp_path: Path) -> None:
    lab, overlay = burning, tmp_path / "overlay.yml"
    identity, recipient = make_identity(tmp_path / "ana")
    write_inventory(overlay, recipient)
    here = ("-i", str(overlay), "--limit", "db1")
    for playbook, more in (("site", []), ("escrow", ["-e", f"backup_escrow_dir={tmp_path}/escrow"])):
        done = lab.run(playbook, *here, *more)
        assert done.returncode == 0, done.stdout + done.stderr
    assert backup(lab, *here).client("db1")["state"] == "ok"
    rows, posts = lab.read("db1", "sh", "-c", ROWS), lab.read("db1", "mariadb", "-e", POSTS)

    (tmp_path / "known_hosts").write_text(f"{address(lab)} {boot_spare(lab)}\n")
    lab.read(SPARE, "apt-get", "purge", "--yes", "nginx-light", "nginx-common")
    strict = f"-o UserKnownHostsFile={tmp_path}/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    write_inventory(overlay, recipient, ansible_host=address(lab), lab_suite="trixie", ansible_ssh_common_args=strict)
    began = time.monotonic()
    told = lab.run("rebuild", *here, "-e", f"backup_identity={identity}")
    assert told.returncode == 0, told.stdout + told.stderr
    said = " ".join(told.stdout.split())
    for part in (
        "(trixie) here: another release",
        "ana (1500)",
        "ana to adm",
        "nginx-light",
        "is done yet",
    ):
        assert part in said, said
    assert lab.exec(SPARE, "id", "ana").returncode != 0, "nothing is written before it is told"

    done = lab.run("rebuild", *here, "-e", f"backup_identity={identity}", "-e", "backup_rebuild_confirm=true")
    print(f"rebuilt after {time.monotonic() - began:.0f} s")
    wrong = [line for line in done.stdout.splitlines() if "could not: " in line and "could not: package " not in line]
    assert "database" in done.stdout and wrong == [], done.stdout + done.stderr
    assert lab.read(SPARE, "sh", "-c", ROWS) == rows and rows.startswith("20000|")
    assert lab.read(SPARE, "sh", "-c", ROLE).strip() == "f"
    assert lab.read(SPARE, "mariadb", "-e", POSTS) == posts and "7000" in posts
    assert lab.read(SPARE, "id", "ana").startswith("uid=1500(ana) gid=1500(ana)")
    assert lab.read(SPARE, "stat", "-c", "%U", "/home/ana/site/picture").strip() == "ana"
    page = f"from urllib.request import urlopen; print(urlopen('http://{address(lab)}:8080/').read().decode())"
    assert lab.read("vault", "python3", "-c", page).strip() == "Nothing burned."
    night = backup(lab, *here).client("db1")
    assert night["state"] == "ok" and night["archive"]["original_size"] > PICTURE_BYTES, night
    assert night["bytes_received"] < PICTURE_BYTES / 2, "what the old machine had sent does not come again"
