# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run on a terminal, drawn anew in place: who waits, who is at work and how fast, who failed and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from paranoid_runner.errors import printable
from paranoid_runner.records import FAILED_STATES, Record, Result
from paranoid_runner.standing import Standing, Working, find_rates
from paranoid_runner.wording import format_bytes, format_clock, format_seconds, summarize

MOST_FAILED = 5
RATE_LOOKS = 5  # over so many looks a rate is taken
FRAME_LINES = 9  # of a screen, which neither clients at work nor failed ones have
HEADS = ("client", "since", "received", "rate", "usually ends")
LONGEST_NAME = 40
WIDEST = 110  # columns over which an eye still follows a line


class Screen:
    """Draws with rich. What comes from elsewhere is made printable, and is text for it, never markup."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._looks: deque[Standing] = deque(maxlen=RATE_LOOKS)
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def show(self, standing: Standing | None) -> None:
        """Draw how the run stands."""
        if standing is None:
            self._live.update(Padding(Text("ansible-playbook begins ...", "dim"), (1, 2)), refresh=True)
            return
        rates = find_rates(self._looks[0] if self._looks else None, standing)
        self._looks.append(standing)
        self._live.update(draw(standing, rates, self._console), refresh=True)

    def close(self, record: Record | None) -> None:
        """Leave on the screen how the run ended."""
        self._live.stop()
        if record and record.finished:
            self._console.print(draw_end(record, self._console))


def draw(standing: Standing, rates: Mapping[str, float], console: Console) -> RenderableType:
    """Return the whole picture, as high as the terminal at most; ``rates`` are bytes per second."""
    failed = standing.failed[-MOST_FAILED:]
    rows = max(1, console.height - FRAME_LINES - len(failed) - 2 * bool(failed))
    parts = [_draw_head(standing, console), _draw_counts(standing, sum(rates.values()), console)]
    if standing.working:
        parts.append(_draw_working(standing.working, rates, rows, console))
    if failed:
        parts.append(_draw_failed(failed, len(standing.failed) - len(failed), console, is_short=True))
    return _frame(*parts)


def draw_end(record: Record, console: Console) -> RenderableType:
    """Return what stays on the screen: all that failed, as far as a screen has room, and one line."""
    failed = [one for one in record.results if one.state in FAILED_STATES]
    room = max(MOST_FAILED, console.height - FRAME_LINES)
    good = record.status == "SUCCESS" and record.is_told
    line = Text(
        f"{_sign(console, 'ok' if good else 'failed')} {printable(summarize(record))}", "green" if good else "bold red"
    )
    if not failed:
        return _frame(line)
    return _frame(_draw_failed(failed[:room], len(failed) - len(failed[:room]), console, is_short=False), line)


def _frame(*parts: RenderableType) -> RenderableType:
    return Padding(Constrain(Group(*parts), WIDEST), (1, 2, 0, 2))


def _draw_head(standing: Standing, console: Console) -> RenderableType:
    """Return the bar, and beside it how much is done, for how long it has gone on, and how long it will."""
    done = len(standing.ended)
    left = f"about {format_seconds(standing.left)} left" if standing.left else ""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1)
    for _column in range(3):
        table.add_column(justify="right", no_wrap=True)
    progress = ProgressBar(total=max(1, standing.total), completed=done, complete_style="cyan", finished_style="green")
    table.add_row(
        progress, Text(f"{done} of {standing.total}"), Text(format_clock(standing.seconds)), Text(left, "dim")
    )
    return Group(Text(printable(standing.run_id), "dim"), table)


def _draw_counts(standing: Standing, rate: float, console: Console) -> RenderableType:
    words = (
        ("running", len(standing.working), "at work", "bold cyan"),
        ("planned", standing.waiting, "waiting", ""),
        ("ok", standing.count("ok"), "ok", "green"),
        ("failed", len(standing.failed), "failed", "bold red"),
        ("skipped", standing.count("skipped"), "skipped", "yellow"),
    )
    text = Text()
    for state, count, word, style in words:
        if count or state in ("running", "planned", "ok"):
            text.append(f"{_sign(console, state)} {count} {word}   ", style if count else "dim")
    if rate:
        text.append(f"{format_bytes(rate)}/s", "cyan")
    return Padding(text, (1, 0))


def _draw_working(
    working: Sequence[Working], rates: Mapping[str, float], rows: int, console: Console
) -> RenderableType:
    """Return a table of those at work, the longest first: whoever hangs is seen. What nobody knows has no column."""
    longest = sorted(working, key=lambda one: -(one.seconds or 0))
    shown = longest if len(longest) <= rows else longest[: rows - 1]
    cells = [list(_list_cells(one, rates.get(one.client))) for one in shown]
    known = [place for place in range(len(HEADS)) if place == 0 or any(row[place].plain for row in cells)]
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 0, 0, 2), header_style="dim")
    table.add_column(HEADS[0], ratio=1, no_wrap=True, overflow="ellipsis", max_width=LONGEST_NAME)
    for place in known[1:]:
        table.add_column(HEADS[place], justify="right", no_wrap=True)
    for row in cells:
        table.add_row(*(row[place] for place in known))
    if len(shown) < len(longest):
        table.add_row(Text(f"and {len(longest) - len(shown)} more", "dim"))
    return Padding(table, (0, 0, 1, 0))


def _list_cells(one: Working, rate: float | None) -> Iterator[Text]:
    name = printable(one.client)
    yield Text(name if one.work == "backup" else f"{name} ({one.work})")
    yield Text(format_clock(one.seconds) if one.seconds is not None else "")
    yield Text(format_bytes(one.received) if one.received is not None else "", "cyan")
    yield Text(f"{format_bytes(rate)}/s" if rate else "", "cyan")
    late = one.left == 0
    yield Text("late" if late else f"in {format_seconds(one.left)}" if one.left else "", "yellow" if late else "dim")


def _draw_failed(failed: Sequence[Result], more: int, console: Console, is_short: bool) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    widest = min(LONGEST_NAME, max(cell_len(printable(one.client)) for one in failed) + 2)
    table.add_column(no_wrap=True, overflow="ellipsis", min_width=widest, max_width=widest)
    table.add_column(overflow="ellipsis" if is_short else "fold", no_wrap=is_short)
    for one in failed:
        name = Text(f"{_sign(console, 'failed')} {printable(one.client)}", "red")
        table.add_row(name, Text(printable(one.reason or one.state)[:300]))
    if more:
        table.add_row(Text(f"and {more} more", "dim"))
    return Padding(table, (0, 0, 1, 0))


def _sign(console: Console, state: str) -> str:
    """Return a sign for a state: colour alone tells nothing to who does not see it."""
    plain = {"running": ">", "planned": ".", "ok": "+", "failed": "!", "skipped": "-"}
    nice = {"running": "●", "planned": "·", "ok": "✓", "failed": "✗", "skipped": "○"}
    return (plain if console.options.ascii_only else nice)[state]
