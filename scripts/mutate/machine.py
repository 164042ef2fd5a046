# SPDX-License-Identifier: MIT
"""What is known of the machines that mutants run on: parts of conditions that are about other kernels make no mistakes.

A condition like ``variant.has_this and bo.moved`` is ``bo.moved`` where the kernel has this. A mutant that leaves the
first operand out is the same kernel there, and one below an ``if`` that is never true is so, too.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from enum import Enum

from amdgpu_hw.mock import variants

__all__ = ("KERNEL_VARIANT", "is_same_kernel")

KERNEL_VARIANT = "series-fixed"
"""The kernel of all machines that mutants run on."""

_KNOWN: Mapping[str, object] = {"adev.debug_vm": False, "adev.debug_enable_ce_cs": False}
"""By how it ends in the text: nobody starts the machines with ``debug_mask``."""


def is_same_kernel(before: str, after: str, function: str) -> bool:
    """Whether ``function`` (its qualified name) does the same in two texts of a module, by what is known there."""
    return _folded_text(before, function) == _fold_text(after, function)


def _fold_text(text: str, function: str) -> str:
    body: ast.AST = ast.parse(text)
    for name in function.split("."):
        body = next(
            node
            for node in ast.iter_child_nodes(body)
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
        )
    return ast.dump(_Folder().visit(body))


_folded_text = functools.lru_cache(maxsize=64)(_fold_text)
"""Of a function as it is: it is changed in many ways."""


class _Folder(ast.NodeTransformer):
    """Puts in what is known, and leaves out what cannot run, or cannot decide, then."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """``variant.NAME``, a member of an enumeration of `variants`, one of `_KNOWN`."""
        name = ast.unparse(node)
        for ending, value in _KNOWN.items():
            if name == ending or name.endswith(f".{ending}"):
                return ast.Constant(value)  # type: ignore[arg-type]  # whatever it is, it is compared only
        owner = name.rpartition(".")[0]
        if owner == "variant" or owner.endswith(".variant"):
            value = getattr(variants.get_variant(KERNEL_VARIANT), node.attr, None)
            return ast.Constant(value) if isinstance(value, bool | int | Enum) else node  # type: ignore[arg-type]
        kind = getattr(variants, owner, None)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return ast.Constant(kind[node.attr])  # type: ignore[arg-type]
        self.generic_visit(node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Of two things that are known whether they are the same."""
        self.generic_visit(node)
        left, right = node.left, node.comparators[0]
        if len(node.ops) == 1 and isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            if isinstance(node.ops[0], ast.Is | ast.Eq):
                return ast.Constant(left.value == right.value)
            if isinstance(node.ops[0], ast.IsNot | ast.NotEq):
                return ast.Constant(left.value != right.value)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """The opposite of what is known."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """What is left of it: the conditions of the model have no effects."""
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)
        left = []
        for value in node.values:
            if not isinstance(value, ast.Constant):
                left.append(value)
            elif bool(value.value) is decides:
                return ast.Constant(decides)
        if not left:
            return ast.Constant(not decides)
        return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        """The branch that runs."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return (node.body if node.test.value else node.orelse) or ast.Pass()
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """The branch that counts."""
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node
