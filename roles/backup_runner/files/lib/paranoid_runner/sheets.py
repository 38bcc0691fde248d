# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One printable page for each holder: words, a QR code of them, and how to use them without us."""

from __future__ import annotations

import html
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import segno

from paranoid_runner.shares import Share

WORDS_PER_LINE = 4
LINE_WIDTH = 90


@dataclass(frozen=True)
class Quorum:
    """What all sheets of one identity say: its public recipient, who holds shares, and how many are needed."""

    recipient: str
    holders: tuple[str, ...]
    threshold: int
    made: str


def format_text(share: Share, quorum: Quorum) -> str:
    """Return the sheet as plain text."""
    width = max(len(word) for word in share.words) + 6
    numbered = [f"{place:2}. {word}".ljust(width) for place, word in enumerate(share.words, 1)]
    lines = [
        "".join(numbered[first : first + WORDS_PER_LINE]).rstrip() for first in range(0, len(numbered), WORDS_PER_LINE)
    ]
    sentences = [textwrap.fill(text, LINE_WIDTH) for text in (_purpose(quorum), *_instructions(quorum))]
    paragraphs = [_title(share), sentences[0], "\n".join(lines), *sentences[1:]]
    return "\n\n".join(paragraphs) + "\n"


def format_html(share: Share, quorum: Quorum) -> str:
    """Return the sheet as one page of HTML that needs nothing else; a browser prints it, or makes a PDF of it."""
    words = "".join(f"<li>{html.escape(word)}</li>" for word in share.words)
    steps = "".join(f"<p>{_mark_commands(html.escape(text))}</p>" for text in _instructions(quorum))
    return _PAGE.format(
        title=html.escape(_title(share)),
        purpose=html.escape(_purpose(quorum)),
        words=words,
        code=_qr_code(" ".join(share.words)),
        steps=steps,
    )


def _mark_commands(text: str) -> str:
    """Let what is to be typed look so; a line that ends within would be typed wrong."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def _title(share: Share) -> str:
    return f"Recovery share of {share.holder}"


def _purpose(quorum: Quorum) -> str:
    return (
        f"Made on {quorum.made} for {_join(quorum.holders)}. Any {quorum.threshold} of these {len(quorum.holders)} "
        "shares together open the keys of the backups; one alone opens nothing. Keep this page where nobody else "
        f"reads it. It belongs to the recipient {quorum.recipient}"
    )


def _instructions(quorum: Quorum) -> tuple[str, ...]:
    return (
        f"To open: meet with {quorum.threshold - 1} more of the holders at a computer that none of you distrusts, not "
        "connected to a network. Run `paranoid-backup escrow open --out identity`, type the words, and then "
        "`age --decrypt --identity identity web1.age` for each escrowed key. Delete the file identity afterwards.",
        "Without paranoid-backup: `pip install 'shamir-mnemonic[cli]'`, run `shamir recover`, type the words with an "
        "empty passphrase. It prints 64 hexadecimal digits. These are the secret of an age identity (X25519): written "
        "in Bech32 with the prefix AGE-SECRET-KEY- they are the line that age reads. The words are SLIP-39.",
        "To rehearse: once a year run `paranoid-backup escrow check`, type your words, and hear that they are whole. "
        "That tells nobody else anything.",
    )


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _qr_code(text: str) -> str:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", scale=3, xmldecl=False, svgns=True)
    return drawn.getvalue().decode()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 12pt/1.45 serif; max-width: 17cm; margin: 1.5cm auto; padding: 0 .5cm; color: #000; background: #fff }}
h1 {{ font-size: 18pt; margin: 0 0 .5em }}
ol {{ columns: 4 8em; font: 12pt/1.6 monospace; padding-left: 2.5em; margin: 1.2em 0 }}
svg {{ display: block; margin: 1em auto; max-width: 7cm; height: auto }}
code {{ font: .95em monospace; white-space: nowrap }}
p {{ overflow-wrap: anywhere }}
@media print {{ body {{ margin: 0 auto }} }}
</style></head><body>
<h1>{title}</h1>
<p>{purpose}</p>
<ol>{words}</ol>
{code}
{steps}
</body></html>
"""
