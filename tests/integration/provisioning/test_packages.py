# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each platform's package manager is asked and told what it understands; those that are not here are strict fakes."""

from __future__ import annotations

from pathlib import Path

from borg_role import ROLE, client, run
from fake_packages import calls, make_fakes

RPM = ("rpm", "--query", "--queryformat", r"installed %{NAME}\n")
DNF = ("dnf", "--assumeyes", "--setopt=install_weak_deps=False", "install")
# For each platform: how it lists packages, what that prints of socat when sudo is missing, and how it installs.
PLATFORMS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "RedHat": (RPM, "installed socat\npackage sudo is not installed\n", DNF),
    "Suse": (
        RPM,
        "installed socat\npackage sudo is not installed\n",
        ("zypper", "--non-interactive", "install", "--no-recommends"),
    ),
    "Archlinux": (("pacman", "--query", "--quiet"), "socat\n", ("pacman", "--sync", "--noconfirm", "--needed")),
    "FreeBSD": (("pkg", "query", "installed %n"), "installed socat\n", ("pkg", "install", "--yes")),
}


def test_what_is_missing_is_installed_by_the_platforms_own_command(tmp_path: Path) -> None:
    """Nothing of Borg's own is: the standalone one needs nothing."""
    answers = {(*query, "socat", "sudo"): (1, listed) for query, listed, _ in PLATFORMS.values()}
    answers |= {(*install, "sudo"): (0, "") for _, _, install in PLATFORMS.values()}
    make_fakes(tmp_path / "fakes", answers)
    install_them = {"ansible.builtin.include_tasks": str(ROLE / "tasks/packages.yml")}
    hosts = {platform: client(platform, "binary", "sudo", "socat") for platform in PLATFORMS}
    foretold = run(tmp_path, hosts, [install_them], "--check")
    assert ["changed=1" in foretold[host] and "failed=0" in foretold[host] for host in hosts] == [True] * 4, foretold
    assert sorted(calls(tmp_path / "fakes")) == sorted([*query, "socat", "sudo"] for query, _, _ in PLATFORMS.values())
    done = run(tmp_path, hosts, [install_them])
    assert ["changed=1" in done[host] and "failed=0" in done[host] for host in hosts] == [True] * 4, done
    installed = [call for call in calls(tmp_path / "fakes") if call[-1] == "sudo" and call[-2] != "socat"]
    assert sorted(installed) == sorted([*install, "sudo"] for _, _, install in PLATFORMS.values())


def test_nothing_is_done_when_nothing_is_missing_and_a_fake_fails_on_anything_else(tmp_path: Path) -> None:
    answers = {(*query, "socat"): (0, listed.splitlines()[0] + "\n") for query, listed, _ in PLATFORMS.values()}
    make_fakes(tmp_path / "fakes", {**answers, ("dnf", "--assumeyes", "install", "sudo"): (0, "")})
    hosts = {platform: client(platform) for platform in PLATFORMS} | {"stricter": client("RedHat", "binary", "sudo")}
    said = run(tmp_path, hosts, [{"ansible.builtin.include_tasks": str(ROLE / "tasks/packages.yml")}])
    assert ["changed=0" in said[host] and "failed=0" in said[host] for host in PLATFORMS] == [True] * 4, said
    assert "unexpected: dnf --assumeyes --setopt" in said["stricter"] and "failed=1" in said["stricter"]


def test_borg_as_a_package_is_among_them_where_it_is_asked_for(tmp_path: Path) -> None:
    """Borg's own libraries are for the wheel: the standalone one has them, and a package brings them along."""
    show = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} needs {{ __backup_borg_needed | join(' ') }};"}}
    pairs = [(platform, source) for platform in (*PLATFORMS, "Debian") for source in ("venv", "binary", "package")]
    said = run(tmp_path, {f"{platform}-{source}": client(platform, source) for platform, source in pairs}, [show])
    needed = {host: text.partition(" needs ")[2].partition(";")[0].split() for host, text in said.items()}
    for platform in (*PLATFORMS, "Debian"):
        assert needed[f"{platform}-binary"] == ["socat"]
        assert len([name for name in needed[f"{platform}-package"] if "borg" in name]) == 1
        assert len(needed[f"{platform}-venv"]) > 3 and "borg" not in " ".join(needed[f"{platform}-venv"])
