# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page as text for terminals and mails, and as HTML for browsers and mails."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import replace
from functools import cache
from itertools import compress
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.tables import Row, Table
from jinja2 import Environment, FileSystemLoader, StrictUndefined

WIDTH = 78
_TEMPLATES = Path(__file__).parent / "templates"


def render_html(page: Page) -> str:
    """Return one HTML document without anything external; everything in it is escaped by Jinja2."""
    return _environment(autoescape=True).get_template("report.html.j2").render(page=page)


def render_text(page: Page) -> str:
    """Return text for a terminal of 80 columns; only what somebody may want to copy, such as a path, is not folded."""
    return _environment(autoescape=False).get_template("report.txt.j2").render(page=page)


def align(table: Table) -> list[str]:
    """Return the aligned lines of a table: names left, figures right, long names on a line of their own."""
    table = _narrow(table)
    headings, widths = ("status", *table.columns), _measure(table)
    named = min(
        _room_for_names(table), max(map(_width, [table.first, *(row.client for row in (*table.rows, table.total))]))
    )
    body = [line for row in table.rows for line in _format_row(row, named, widths)]
    rule = "─" * (named + sum(widths) + 2 * len(widths))
    return [
        _format_line(table.first, named, headings, widths),
        rule,
        *body,
        *([f"and {table.more}"] if table.more else []),
        rule,
        *_format_row(table.total, named, widths),
    ]


def wrap(line: str, indent: int) -> str:
    """Fold one line to the width; words stay whole, for they may be paths; every line starts with the indent."""
    space = " " * indent
    folded = textwrap.wrap(line, WIDTH - indent, break_on_hyphens=False, break_long_words=False) or [""]
    return "\n".join(space + part for part in folded)


def quote(line: str, indent: int) -> str:
    """Fold a line of a log, between words where it can be: nothing of it is lost, and each part begins with a bar."""
    margin = " " * indent + "│ "
    parts = textwrap.wrap(line, WIDTH - len(margin), drop_whitespace=False, break_on_hyphens=False)
    return "\n".join(margin + part for part in parts or [""])


@cache
def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(wrap=wrap, quote=quote, align=align)
    return environment


def _narrow(table: Table) -> Table:
    """Leave out spare columns, the last first, until nine of ten names fit beside what stays, if that helps."""
    forms = [_drop(table, table.spare[count:]) for count in range(len(table.spare), -1, -1)]
    least = _width(table.total.client)
    most = max(least, sorted(_width(row.client) for row in table.rows)[len(table.rows) * 9 // 10])
    return next((form for wanted in (most, least) for form in forms if _room_for_names(form) >= wanted), forms[-1])


def _drop(table: Table, headings: tuple[str, ...]) -> Table:
    stays = [heading not in headings for heading in table.columns]
    rows = [replace(row, cells=tuple(compress(row.cells, stays))) for row in (*table.rows, table.total)]
    return replace(table, columns=tuple(compress(table.columns, stays)), rows=tuple(rows[:-1]), total=rows[-1])


def _measure(table: Table) -> list[int]:
    cells = [(row.label, *row.cells) for row in (*table.rows, table.total)]
    return [max(map(_width, column)) for column in zip(("status", *table.columns), *cells, strict=True)]


def _room_for_names(table: Table) -> int:
    """Return how many columns of the page are left for names."""
    widths = _measure(table)
    return WIDTH - sum(widths) - 2 * len(widths)


def _format_row(row: Row, named: int, widths: list[int]) -> list[str]:
    cells = (row.label, *row.cells)
    if _width(row.client) <= named:
        return [_format_line(row.client, named, cells, widths)]
    return [row.client[:WIDTH], _format_line("", named, cells, widths)]


def _format_line(name: str, named: int, cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = cells
    padded = [_pad(name, named), _pad(first, widths[0])]
    padded += [" " * (width - _width(cell)) + cell for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join(padded).rstrip()


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(cell: str) -> int:
    """How many columns a terminal needs for it."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in cell)
    return len(cell) + wide - sum(unicodedata.combining(char) > 0 for char in cell)
