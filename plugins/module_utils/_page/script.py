# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's script: it sorts and finds lines, and says when the page is old. Only that is missing without it."""

from __future__ import annotations

SCRIPT = """
"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const hours = (Date.now() - new Date(get("made").dateTime)) / 36e5;
  if (hours > 26 || hours < -1) {
    const days = Math.round(hours / 24);
    get("old").textContent = hours < 0 ? "The clock of the server, or of this machine, is wrong."
      : `This page is ${days > 1 ? days + " days" : "a day"} old: what it says may not be so any more.`;
    get("old").hidden = false;
  }
  const table = document.querySelector("table"), bodies = [...table.tBodies];
  const together = bodies[0].rows.length;
  let rows = bodies.flatMap((body) => [...body.rows]);
  const fill = (shown) => bodies.forEach((body, at) => {
    body.replaceChildren(...shown.slice(at * together, (at + 1) * together));
    body.hidden = !body.rows.length;
  });
  const states = [...get("state").options].map((one) => one.text);
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  const number = (text) => {
    if (text.includes(":")) return text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
    const [, digits, unit] = /([\\d.]+)\\s*(\\S*)/.exec(text) || [0, "-1", ""];
    return Number(digits) * 1024 ** Math.max(0, units.indexOf(unit));
  };
  const value = (row, at) => {
    const text = row.cells[at].textContent.trim();
    return at === 1 ? states.indexOf(text) : at > 3 ? number(text) : text.toLowerCase();
  };
  const sort = (head, at) => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const order = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) * (up ? 1 : -1);
    rows = rows.map((row) => ({ row, key: value(row, at) })).sort(order).map((one) => one.row);
    filter();
  };
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    if (at === 3 || at === 6) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, at));
    head.replaceChildren(button);
  });
  const filter = () => {
    const name = get("find").value.trim().toLowerCase(), state = get("state").selectedIndex;
    const shown = rows.filter((row) => {
      const text = row.cells[0].textContent.trim().toLowerCase();
      return text.includes(name) && (state === 0 || row.cells[1].textContent.trim() === states[state]);
    });
    fill(shown);
    get("found").textContent = shown.length === rows.length ? "" : `${shown.length} of ${rows.length}`;
  };
  get("find").addEventListener("input", filter);
  get("state").addEventListener("change", filter);
  get("tools").hidden = false;
})();
"""
