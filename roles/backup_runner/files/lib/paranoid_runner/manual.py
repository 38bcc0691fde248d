# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual page and bash's completion, made of the same parser as ``--help``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

_NAMES = ("CLIENT", "NAME")  # what the completion asks the program itself for

_EXIT = (
    ("0", "It went well; of a run, its mail says SUCCESS, or nothing was due."),
    ("1", "A run failed, somebody could not be told, or doctor found something that must be mended."),
    ("2", "What was typed cannot be meant."),
    ("0 to 3", "Of watch: as monitoring plugins have it; OK, WARNING, CRITICAL, UNKNOWN."),
)
_FILES = (
    ("/etc/paranoid-backup/runner.json", "Whose turn is when. The role backup_runner writes it."),
    ("/etc/paranoid-backup/watch.json", "Whom a watch asks, and what it finds too old."),
    ("/var/lib/paranoid-backup-runner/logs/", "What the last runs printed."),
    ("/var/lib/paranoid-backup-runner/reports/", "The records and reports of runs."),
)


def show_manual(options: argparse.Namespace) -> str:
    """Return the page in man's language, or the completion in bash's."""
    return (format_man if options.kind == "man" else format_bash)(options.parser)


def format_man(parser: argparse.ArgumentParser) -> str:
    """Return the manual page (groff_man(7))."""
    lines = [
        f'.TH {parser.prog.upper()} 1 "" paranoid.backup',
        ".SH NAME",
        f"{parser.prog} \\- {_roff(parser.description)}",
    ]
    lines += [".SH SYNOPSIS", f".B {_roff(parser.prog)}", ".I COMMAND", "\\&[...]", ".SH COMMANDS"]
    for _words, help_text, one in list_commands(parser):
        usage = one.format_usage().removeprefix("usage: ").split()
        lines += [".TP", f".B {_roff(' '.join(usage))}", f"{_roff(help_text)[:1].upper()}{_roff(help_text)[1:]}."]
        for action in _list_actions(one):
            lines += [".RS", ".TP", f".I {_roff(_name(action))}", f"{_roff(action.help)}", ".RE"]
    lines += [".SH EXIT STATUS", *(line for row in _EXIT for line in _item(*row))]
    lines += [".SH FILES", *(line for row in _FILES for line in _item(*row))]
    return "\n".join([*lines, ".SH SEE ALSO", "ansible\\-playbook(1), systemd.timer(5)"])


def format_bash(parser: argparse.ArgumentParser) -> str:
    """Return a completion for bash: commands, their options, and names of clients."""
    table = [("", [words[0] for words, _help, _one in list_commands(parser) if len(words) == 1], False)]
    for words, _help, one in list_commands(parser):
        actions = _list_actions(one)
        options = [option for action in actions for option in action.option_strings]
        below = [names[-1] for names, _text, _parser in list_commands(parser) if names[:-1] == words]
        table.append((" ".join(words), [*below, *options, "--help"], any(a.metavar in _NAMES for a in actions)))
    known = "|".join(f'"{path}"' for path, _words, _names in table[1:])
    cases = [
        f"    \"{path}\") words='{' '.join(words)}'{_ask(parser.prog) if names else ''} ;;"
        for path, words, names in table
    ]
    return "\n".join([_BASH_HEAD % known, *cases, _BASH_TAIL % parser.prog])


def list_commands(
    parser: argparse.ArgumentParser, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, argparse.ArgumentParser]]:
    """Yield words, help and parser of each command that has a help, those below another behind it."""
    for group in parser._actions:
        if isinstance(group, argparse._SubParsersAction):
            for choice in group._choices_actions:
                one = group.choices[choice.dest]
                words = (*above, choice.dest)
                yield words, str(choice.help), one
                yield from list_commands(one, words)


def _list_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return what a person may type behind a command."""
    hidden = (argparse._HelpAction, argparse._SubParsersAction)
    return [one for one in parser._actions if not isinstance(one, hidden) and one.help is not argparse.SUPPRESS]


def _name(action: argparse.Action) -> str:
    takes = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f"{action.option_strings[0]}{takes}" if action.option_strings else str(action.metavar or action.dest)


def _item(name: str, text: str) -> tuple[str, ...]:
    return ".TP", f".B {_roff(name)}", _roff(text)


def _roff(text: str | None) -> str:
    """Return a text that roff takes as it stands."""
    plain = (text or "").replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", plain)


def _ask(program: str) -> str:
    return f'" $({program} names 2>/dev/null)"'


_BASH_HEAD = """_paranoid_backup() {
    local path= words= word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "${path:+$path }$word" in
        %s) path="${path:+$path }$word" ;;
        esac
    done
    case "$path" in"""
_BASH_TAIL = """    esac
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _paranoid_backup %s"""
