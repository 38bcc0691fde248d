# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make clean`` leaves nothing of its own checkout, and everything of others: in a podman store made for this test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import ROOT


@dataclass(frozen=True, slots=True)
class Place:
    """A checkout with a cache, and a podman that knows of nothing else."""

    checkout: Path
    cache: Path
    environment: dict[str, str]

    def podman(self, *arguments: str) -> list[str]:
        """The lines that podman says; raises when it fails."""
        argv = ["podman", *arguments]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=True).stdout.split()

    def clean(self) -> str:
        """Clean the checkout; what that says."""
        argv = [self.checkout / "tests/tools/clean"]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=True).stderr

    def host(self, name: str, checkout: Path, cache: Path) -> None:
        """A host of a lab as the lab makes it, of an image from that cache; it is not started."""
        image = f"localhost/paranoid-backup/{name}:{cache.name}"
        empty = self.cache.parent / "empty.tar"
        tarfile.open(empty, "w").close()
        self.podman("import", "--quiet", "--change", f"LABEL paranoid.cache={cache}", str(empty), image)
        self.podman("network", "create", name)
        labels = ["--label", f"paranoid.lab={name}", "--label", f"paranoid.checkout={checkout}"]
        self.podman("create", "--name", f"{name}-web1", "--network", name, *labels, image, "true")

    def left(self) -> set[str]:
        """Hosts, networks and images that are there."""
        hosts = self.podman("ps", "--all", "--format", "{{.Names}}")
        networks = self.podman("network", "ls", "--format", "net:{{.Name}}")
        images = self.podman("images", "--format", "img:{{.Repository}}")
        return {name.replace("localhost/paranoid-backup/", "") for name in (*hosts, *networks, *images)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh clone that has been worked in."""
    checkout, cache, store = (tmp_path / name for name in ("checkout", "cache", "store"))
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", checkout], check=True)
    shutil.copytree(ROOT / "tests/tools", checkout / "tests/tools", dirs_exist_ok=True)
    for made in (checkout / ".cache/lab/mine", checkout / ".hypothesis", checkout / "plugins/__pycache__", cache):
        made.mkdir(parents=True)
        (made / "file").write_text("made here")
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{store}/root"\nrunroot = "{store}/run"\n'
    )
    containers = f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{store}/networks"\n'
    (checkout / ".cache/containers.conf").write_text(containers)
    (tmp_path / "containers.conf").write_text(containers)
    environment = os.environ | {
        "CONTAINERS_CONF": str(tmp_path / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf"),
        "HOME": str(tmp_path),
        "PARANOID_CACHE": str(cache),
    }
    return Place(checkout, cache, environment)


def ignored(checkout: Path) -> str:
    """What git sees in a checkout that a fresh clone has not."""
    argv = ["git", "status", "--porcelain", "--ignored", "--", ".", ":!tests/tools"]
    return subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=True).stdout


def test_nothing_of_its_own_is_left(place: Place) -> None:
    place.host("mine", place.checkout, place.cache)
    place.host("theirs", place.cache.parent / "other", place.cache.parent / "other-cache")
    assert {"mine-web1", "net:mine", "img:mine"} <= place.left() and ".hypothesis" in ignored(place.checkout)
    place.clean()
    assert place.left() == {"net:podman", "theirs-web1", "net:theirs", "img:theirs"}
    assert ignored(place.checkout) == "" and not place.cache.exists()


def test_a_cache_that_others_use_is_kept(place: Place) -> None:
    other = place.cache.parent / "other"
    place.host("mine", place.checkout, place.cache)
    place.host("theirs", other, place.cache)
    said = place.clean()
    assert f"kept {place.cache}" in said and str(other) in said
    assert place.left() == {"net:podman", "theirs-web1", "net:theirs", "img:theirs", "img:mine"}
    assert ignored(place.checkout) == "" and place.cache.exists()
