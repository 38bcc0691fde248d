# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup escrow, as people type it, with the real age."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tool import ROOT

RUNNER = ROOT / "roles/backup_runner/files/lib"


def command(*words: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    argv: list[str | Path] = [sys.executable, "-I", "-B", RUNNER, *words]
    return subprocess.run(argv, input=typed, capture_output=True, text=True, check=False)


def age(*words: str | Path, given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["age", *words], input=given, capture_output=True, text=True, check=False)


def make(place: Path) -> tuple[str, list[str]]:
    """Make shares; return their recipient, and the words of each holder as the page has them."""
    done = command("escrow", "shares", "--threshold", "2", "--holders", "ana,bo,cy", "--out", place)
    assert done.returncode == 0, done.stderr
    lines = []
    for holder in ("ana", "bo", "cy"):
        page = (place / f"{holder}.txt").read_text()
        listed = [line for line in page.splitlines() if line[:3].strip(" .").isdigit() and line[2] == "."]
        lines.append(" ".join(word for line in listed for word in line.split() if not word.endswith(".")))
    return done.stdout.strip(), lines


def test_two_holders_open_what_was_encrypted_for_all(tmp_path: Path) -> None:
    recipient, lines = make(tmp_path / "pages")
    ciphertext = age("--armor", "--recipient", recipient, given="the passphrase").stdout
    opened = command("escrow", "open", "--out", tmp_path / "identity", typed="\n".join(lines[1:]))
    assert opened.stdout.strip() == recipient, opened.stderr
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600
    assert age("--decrypt", "--identity", tmp_path / "identity", given=ciphertext).stdout == "the passphrase"


def test_one_holder_opens_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    _, lines = make(tmp_path / "pages")
    opened = command("escrow", "open", "--out", tmp_path / "identity", typed=lines[0])
    assert opened.returncode == 2 and "open nothing" in opened.stderr
    assert not (tmp_path / "identity").exists()


def test_a_rehearsal_says_only_that_the_words_are_whole(tmp_path: Path) -> None:
    _, lines = make(tmp_path / "pages")
    assert command("escrow", "check", typed=lines[0]).stdout == "these words are a whole share\n"
    wrong = command("escrow", "check", typed=lines[0].replace(lines[0].split()[4], "zzz"))
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1


def test_nothing_is_written_over(tmp_path: Path) -> None:
    recipient, lines = make(tmp_path / "pages")
    again = command("escrow", "shares", "--threshold", "2", "--holders", "ana,bo,cy", "--out", tmp_path / "pages")
    assert again.returncode == 2 and "not there yet" in again.stderr
    (tmp_path / "identity").write_text("mine")
    opened = command("escrow", "open", "--out", tmp_path / "identity", typed="\n".join(lines))
    assert opened.returncode == 2 and (tmp_path / "identity").read_text() == "mine"
    assert recipient in (tmp_path / "pages/ana.txt").read_text()
