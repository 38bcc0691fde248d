# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream whose two sides end, fail and hang in every way: nothing is waited for without end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from paranoid_nas.storage import NasError, SilentError
from paranoid_nas.streams import Side, flow

LONG = 20.0  # seconds that no test waits
SOON = 1.5


def sides(sender: str, receiver: str, patience: float) -> tuple[Side, Side]:
    """Both sides of a stream between two shells, after it ended."""
    both = Side(["sh", "-c", sender]), Side(["sh", "-c", receiver])
    flow(*both, patience)
    return both


@pytest.mark.parametrize(
    ("sender", "receiver", "codes", "said"),
    [
        ("echo hi", "cat >&2", (0, 0), (b"", b"hi\n")),
        ("head -c 3000000 /dev/zero", "wc -c >&2", (0, 0), (b"", b"3000000\n")),
        ("head -c 300000 /dev/zero", "sleep 0.2; wc -c >&2", (0, 0), (b"", b"300000\n")),
        ("echo no >&2; exit 4", "cat", (4, 0), (b"no\n", b"")),
        ("echo a; exit 4", "cat >/dev/null; echo cut >&2; exit 5", (4, 5), (b"", b"cut\n")),
        ("exec cat /dev/zero", "echo full >&2; exit 3", (-13, 3), (b"", b"full\n")),
        ("head -c 9000 /dev/zero | tr '\\0' x >&2; echo hi", "cat", (0, 0), (b"x" * 4096, b"")),
        ("exec >&-; sleep 0.1; exit 6", "cat", (6, 0), (b"", b"")),
    ],
)
def test_both_sides_are_heard(sender: str, receiver: str, codes: tuple[int, int], said: tuple[bytes, bytes]) -> None:
    one, other = sides(sender, receiver, LONG)
    assert ((one.code, other.code), (one.said, other.said)) == (codes, said)


HANGING = [
    ("sleep 20", "cat", "sh -c sleep 20: it hangs, and sent nothing for 0 minutes, after 0 bytes"),
    ("echo hi; sleep 20", "cat", "it hangs, and sent nothing for 0 minutes, after 3 bytes"),
    ("printf '\\033[2Jlost\\n\\n' >&2; sleep 20", "cat", "it hangs (?[2Jlost), and sent nothing"),
    ("trap '' TERM HUP INT; sleep 20", "cat", "it hangs, and sent nothing"),
    ("sleep 5 & echo hi", "cat", "it hangs, and sent nothing for 0 minutes, after 3 bytes"),
    ("for _ in $(seq 200); do echo drop >&2; sleep 0.05; done", "cat", "it hangs (drop"),
    ("cat /dev/zero", "sleep 20", "sh -c sleep 20: it hangs, and took nothing"),
    ("echo hi", "cat; sleep 20", "sh -c cat; sleep 20: it hangs, and took nothing"),
]


def test_who_hangs_is_ended_and_named() -> None:
    """All of them at the same time, for each takes as long as it is waited for."""

    def hang(case: tuple[str, str, str]) -> str:
        with pytest.raises(SilentError) as error:
            sides(*case[:2], SOON)
        return str(error.value)

    with ThreadPoolExecutor(len(HANGING)) as pool:
        for case, said in zip(HANGING, pool.map(hang, HANGING), strict=True):
            assert case[2] in said, (case, said)


def test_a_sender_that_stays_after_its_receiver_is_ended() -> None:
    one, other = sides("echo hi; exec sleep 20", "exit 3", SOON)
    assert (one.code, one.said, other.code) == (-9, b"it did not end after its receiver", 3)


def test_what_is_slow_is_waited_for_as_long_as_something_comes() -> None:
    """Longer in all than nothing may come."""
    one, other = sides("for i in 1 2 3 4 5 6 7 8; do echo x; sleep 0.2; done", "wc -l >&2", SOON)
    assert (one.code, other.code, other.said) == (0, 0, b"8\n")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(NasError, match="nosuch is not installed"):
        flow(Side(["nosuch"]), Side(["cat"]), LONG)
    with pytest.raises(NasError, match="nosuch is not installed"):
        flow(Side(["sleep", "60"]), Side(["nosuch"]), LONG)
