# SPDX-License-Identifier: MIT
"""What kernel developers get wrong, as small changes of a function's text.

Each operator takes a statement or an expression of the mock kernel and says what else could stand there. The changes
are of the text, not of the tree: a survivor is read as the line it would be.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mutate.mixed_up import CONSTANTS, MEMBERS, NAMES, RELEASES

__all__ = ("OPERATORS", "NodeChange", "Place", "edits")


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A change: ``node`` becomes ``new``; of what ``operator`` makes of it."""

    operator: str
    node: ast.expr | ast.stmt
    new: str


@dataclass(frozen=True, slots=True)
class Place:
    """A node, the function around it, and the text of the module."""

    node: ast.AST
    parents: tuple[ast.AST, ...]
    """From the function to the node's parent."""
    text: Callable[[ast.AST], str]
    same_type: Callable[[ast.Call], tuple[tuple[int, int], ...]]
    """Positions of neighbouring arguments that have parameters of one type."""
    has_member: Callable[[ast.expr, str], bool]
    """Whether something of that name has such a member somewhere in the module."""
    names: frozenset[str]
    """Parameters and locals of the function."""

    @property
    def is_undo(self) -> bool:
        """Whether it runs only to clear up: in an exception handler or a finally block."""
        for outer, inner in zip(self.parents, (*self.parents[1:], self.node), strict=True):
            if isinstance(outer, ast.ExceptHandler) or (isinstance(outer, ast.Try) and inner in outer.finalbody):
                return True
        return False

    @property
    def is_in_constructor(self) -> bool:
        """Whether it is in an ``__init__``."""
        function = self.parents[0]
        return isinstance(function, ast.FunctionDef) and function.name == "__init__"


Operator = Callable[[Place], Iterator[tuple[ast.expr | ast.stmt, str]]]

_OFF_BY_ONE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_OPPOSITE = {ast.Eq: "!=", ast.NotEq: "==", ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"}
_LOG = ("debug", "err", "info", "warn", "log")


def _conditions(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    tests: list[ast.expr] = []
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        tests = [node.test]
    elif isinstance(node, ast.comprehension):
        tests = node.ifs
    for test in tests:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield test, f"({place.text(test.operand)})"
        else:
            yield test, f"(not ({place.text(test)}))"


def _comparisons(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Of a chain each comparison by itself."""
    node = place.node
    if not isinstance(node, ast.Compare):
        return
    texts = [place.text(node.left)] + [place.text(operand) for operand in node.comparators]
    signs = [_sign(op) for op in node.ops]
    for index, op in enumerate(node.ops):
        other = _OFF_BY_ONE.get(type(op)) or (_OPPOSITE.get(type(op)) if not _is_whole_condition(place) else None)
        if other is not None:
            changed = [*signs[:index], other, *signs[index + 1 :]]
            parts = [texts[0], *(f"{sign} {text}" for sign, text in zip(changed, texts[1:], strict=True))]
            yield node, " ".join(parts)


def _sign(op: ast.cmpop) -> str:
    return {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}.get(type(op)) or {
        ast.Is: "is",
        ast.IsNot: "is not",
        ast.In: "in",
        ast.NotIn: "not in",
    }[type(op)]


def _is_whole_condition(place: Place) -> bool:
    """Then to turn it round is to negate the condition, which is a mutant already."""
    return isinstance(place.parents[-1], ast.If | ast.While | ast.IfExp | ast.comprehension | ast.UnaryOp)


def _operands(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """A check forgotten, a condition that is too wide."""
    node = place.node
    if isinstance(node, ast.BoolOp):
        texts = [place.text(value) for value in node.values]
        for index in range(len(texts)):
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield node, f"({word.join(texts[:index] + texts[index + 1 :])})"


def _connectives(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield node, "(" + word.join(f"({place.text(value)})" for value in node.values) + ")"


def _is_effect(node: ast.AST) -> bool:
    """A call for its effect, which neither the log nor a check of the model's is."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value.value if isinstance(node.value, ast.YieldFrom) else node.value
    return isinstance(value, ast.Call) and not (isinstance(value.func, ast.Attribute) and value.func.attr in _LOG)


def _nothing(node: ast.stmt) -> str:
    """Nothing, in a generator that stays one."""
    return "yield from ()" if isinstance(node, ast.Expr) and isinstance(node.value, ast.YieldFrom) else "pass"


def _called(node: ast.stmt) -> str:
    """The last word of the name of what a statement calls."""
    if not isinstance(node, ast.Expr):
        return ""
    value = node.value.value if isinstance(node.value, ast.YieldFrom) else node.value
    function = value.func if isinstance(value, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_release(node: ast.AST) -> bool:
    if isinstance(node, ast.Delete):
        return True
    return isinstance(node, ast.stmt) and (
        _called(node) in RELEASES or _called(node).endswith(tuple(f"_{name}" for name in RELEASES))
    )


def _calls(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.Expr) and _is_effect(node) and not place.is_undo and not _is_release(node):
        yield node, _nothing(node)


def _releases(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.Expr | ast.Delete) and _is_release(node):
        yield node, _nothing(node)


def _undoes(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if place.is_undo and (_is_effect(node) or isinstance(node, ast.Assign | ast.AugAssign)) and not _is_release(node):
        assert isinstance(node, ast.stmt)
        yield node, _nothing(node)


def _assignments(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """State that is not set: a member of an object, an entry of a list. A local would be a name that is not there, and
    what a constructor leaves out a member that is not: in C both have some value, here neither goes on.
    """
    node = place.node
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    if not targets or place.is_undo or place.is_in_constructor:
        return
    if isinstance(node, ast.AugAssign) or all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
        assert isinstance(node, ast.stmt)
        yield node, "pass"


def _checks(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    if isinstance(place.node, ast.Raise):
        yield place.node, "pass"


def _arguments(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if not isinstance(node, ast.Call):
        return
    for first, second in place.same_type(node):
        texts = [place.text(argument) for argument in node.args]
        if texts[first] == texts[second]:
            continue
        texts[first], texts[second] = texts[second], texts[first]
        named = [place.text(keyword) for keyword in node.keywords]
        yield node, f"{place.text(node.func)}({', '.join(texts + named)})"


def _numbers(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node.value, int):
        yield node, str(node.value + 1)
        if node.value > 0:
            yield node, str(node.value - 1)


def _masks(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """A mask's bits kept instead of cleared, set instead of tested, left out; a sum that is a difference."""
    node = place.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        yield node, f"({place.text(node.operand)})"
    if not isinstance(node, ast.BinOp):
        return
    left, right = place.text(node.left), place.text(node.right)
    other = {ast.BitAnd: "|", ast.BitOr: "&", ast.Add: "-", ast.Sub: "+", ast.LShift: ">>", ast.RShift: "<<"}
    if type(node.op) in other:
        yield node, f"({left} {other[type(node.op)]} {right})"
    if isinstance(node.op, ast.BitAnd | ast.BitOr | ast.Add | ast.Sub):
        yield node, f"({left})"


def _constants(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    for group in CONSTANTS:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in group:
            yield node, _next(group, node.id)
        elif isinstance(node, ast.Attribute) and node.attr in group:
            yield node, f"{place.text(node.value)}.{_next(group, node.attr)}"


def _next(group: tuple[str, ...], name: str) -> str:
    return group[(group.index(name) + 1) % len(group)]


def _objects(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.Attribute):
        for group in MEMBERS:
            if node.attr in group and place.has_member(node.value, _next(group, node.attr)):
                yield node, f"{place.text(node.value)}.{_next(group, node.attr)}"
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for group in NAMES:
            if node.id in group and _next(group, node.id) in place.names:
                yield node, _next(group, node.id)


def _loops(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.For):
        yield node.iter, f"reversed(list({place.text(node.iter)}))"


def _only_first(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.For | ast.comprehension):
        yield node.iter, f"list({place.text(node.iter)})[:1]"


def _not_first(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    node = place.node
    if isinstance(node, ast.For | ast.comprehension):
        yield node.iter, f"list({place.text(node.iter)})[1:]"


def _early_returns(place: Place) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """A function that returns nothing ends before one of its statements, unless that only names something."""
    function = place.parents[-1]
    node = place.node
    if not isinstance(function, ast.FunctionDef) or not isinstance(node, ast.stmt) or node not in function.body[1:]:
        return
    names = isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets)
    returns_nothing = isinstance(function.returns, ast.Constant) and function.returns.value is None
    if returns_nothing and not names and not isinstance(node, ast.FunctionDef) and not place.is_in_constructor:
        yield node, f"return\n{' ' * node.col_offset}{place.text(node)}"


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "condition negated": _conditions,
        "comparison changed": _comparisons,
        "operand dropped": _operands,
        "and for or": _connectives,
        "call dropped": _calls,
        "release dropped": _releases,
        "undo dropped": _undoes,
        "state not set": _assignments,
        "check dropped": _checks,
        "arguments swapped": _arguments,
        "number changed": _numbers,
        "mask changed": _masks,
        "wrong constant": _constants,
        "wrong object": _objects,
        "order reversed": _loops,
        "only the first": _only_first,
        "all but the first": _not_first,
        "early return": _early_returns,
    }
)
"""By the name that a mutant has of it."""


def edits(place: Place) -> Iterator[NodeChange]:
    """All changes of one node."""
    for name, operator in OPERATORS.items():
        for node, new in operator(place):
            yield NodeChange(name, node, new)
