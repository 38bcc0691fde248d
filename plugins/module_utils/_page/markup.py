# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML in which nothing is markup but what this package wrote: any other text is made printable, short and escaped."""

from __future__ import annotations

from html import escape

from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import plain


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return a value as markup; text that is markup already stays as it is."""
    return value if isinstance(value, Html) else Html(escape(plain(str(value)), quote=True))


def join(*parts: object) -> Html:
    """Return the parts one after the other."""
    return Html("".join(text(part) for part in parts))


def element(name: str, *children: object, **attributes: object) -> Html:
    """Return an element. ``class_`` is class, other underscores are dashes; None leaves an attribute out.

    ``True`` is an attribute without a value.
    """
    listed = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{listed}>{join(*children)}</{name}>")
