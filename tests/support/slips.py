# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slips that a programmer makes, each as a changed copy of a file's source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv}


@dataclass(frozen=True, slots=True)
class Slip:
    """One change of one expression or statement; ``key`` names it without its line, which moves."""

    line: int
    function: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """What the list of equivalent slips calls it."""
        return f"{self.function}: {self.before} -> {self.after}"


def find_slips(source: str) -> Iterator[Slip]:
    """Yield every slip of a file that can be made below a function or a class."""
    for function, node in _places(ast.parse(source), ""):
        for changed in _changes(node):
            before, after = _short(ast.unparse(node)), _short(changed)
            if before != after:
                yield Slip(node.lineno, function, before, after, _replace(source, node, changed))


def _places(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    for child in ast.iter_child_nodes(node):
        name = function
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{function}.{child.name}".strip(".")
        if isinstance(child, ast.expr | ast.stmt) and function:
            yield function, child
        if not isinstance(child, ast.arguments) and not _is_annotation(node, child) and not _decorates(node, child):
            yield from _places(child, name)


def _is_annotation(parent: ast.AST, child: ast.AST) -> bool:
    return child in (getattr(parent, "annotation", None), getattr(parent, "returns", None))


def _decorates(parent: ast.AST, child: ast.AST) -> bool:
    """Tell whether it is an option of a class: that its data are frozen is for mypy to see."""
    return isinstance(parent, ast.ClassDef) and child in parent.decorator_list


def _changes(node: ast.expr | ast.stmt) -> Iterator[str]:
    """Yield what could stand in a node's place."""
    match node:
        case ast.Compare(left=left, ops=[first, *rest], comparators=comparators):
            yield ast.unparse(ast.Compare(left, [_FLIPPED[type(first)](), *rest], comparators))
        case ast.BoolOp(op=op, values=values):
            yield ast.unparse(ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield ast.unparse(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SWAPPED:
            yield ast.unparse(ast.BinOp(left, _SWAPPED[type(op)](), right))
        case ast.Constant(value=bool() as value):
            yield str(not value)
        case ast.Constant(value=int() as value):
            yield str(value + 1)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Continue() | ast.AugAssign():
            yield "pass"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"


def _replace(source: str, node: ast.expr | ast.stmt, changed: str) -> str:
    """Put new text in a node's place; columns count bytes of UTF-8."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    first, last = node.lineno - 1, node.end_lineno - 1
    begin = b"".join(lines[:first]) + lines[first][: node.col_offset]
    end = lines[last][node.end_col_offset :] + b"".join(lines[last + 1 :])
    text = changed if isinstance(node, ast.stmt) else f"({changed})"
    return (begin + text.encode() + end).decode()


def _short(text: str) -> str:
    return " ".join(text.split())[:120]
