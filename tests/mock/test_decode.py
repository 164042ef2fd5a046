# SPDX-License-Identifier: MIT
"""Values of declared types from TOML and JSON: what is taken, and what is refused in which words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytest

from amdgpu_hw.decode import JSON, TOML, DecodeError, Dialect, Within, decode

Small = Annotated[int, Within(range(1, 17), "a number from 1 to 16")]


class Colour(Enum):
    """Written by its value."""

    RED = "red"
    BLUE = "blue"
    FIRST = 1


@dataclass(frozen=True)
class Inner:
    """A table in a table."""

    count: Small
    ratio: float = 1.0


@dataclass(frozen=True)
class Outer:
    """Everything that can be declared."""

    name: str
    inner: Inner
    on: bool = False
    pair: tuple[int, str] = (0, "")
    many: tuple[Inner, ...] = ()
    words: Sequence[str] = ()
    lists: list[int] = field(default_factory=list)
    table: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    fixed: MappingProxyType[str, Small] = field(default_factory=lambda: MappingProxyType({}))
    perhaps: Inner | None = None
    scalar: str | int | float | bool | None = None
    arm: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        if self.name == "never":
            raise ValueError("nobody is called that")


GOOD: dict[str, Any] = {"name": "x", "inner": {"count": 3}}


def test_everything_that_can_be_declared() -> None:
    """Each kind of type from what json.loads or tomllib make; what is left out has its default."""
    text = GOOD | {
        "on": True,
        "pair": [1, "a"],
        "many": [{"count": 1}, {"count": 2, "ratio": 1}],
        "words": ["u", "v"],
        "lists": [1, 2],
        "table": {"k": [1, 2]},
        "fixed": {"k": 16},
        "perhaps": {"count": 4},
        "scalar": 2.5,
        "arm": "b",
        "colour": "blue",
    }
    made = decode(Outer, text)
    assert made == Outer(
        name="x",
        inner=Inner(3),
        on=True,
        pair=(1, "a"),
        many=(Inner(1), Inner(2, 1.0)),
        words=("u", "v"),
        lists=[1, 2],
        table={"k": (1, 2)},
        fixed=MappingProxyType({"k": 16}),
        perhaps=Inner(4),
        scalar=2.5,
        arm="b",
        colour=Colour.BLUE,
    )
    assert type(made.fixed) is MappingProxyType
    assert type(made.many[1].ratio) is float, "a whole number is a number"
    assert decode(Outer, GOOD) == Outer("x", Inner(3))
    assert decode(Mapping[str, int], {"a": 1}) == {"a": 1}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": ({"inner": {}}, "o.inner.count is missing", "the key 'o.inner.count' is missing"),
    "no string": ({"name": 1}, "o.name is 1, not a string", "the key 'o.name' must be a string, not 1"),
    "a bool for a number": (
        {"inner": {"count": 1, "ratio": True}},
        "o.inner.ratio is True, not a number",
        "the key 'o.inner.ratio' must be a number, not True",
    ),
    "a number for a bool": ({"on": 1}, "o.on is 1, not true or false", "'o.on' must be true or false, not 1"),
    "out of range": (
        {"inner": {"count": 17}},
        "o.inner.count is 17, not a number from 1 to 16",
        "the key 'o.inner.count' must be a number from 1 to 16, not 17",
    ),
    "of another type than the range": ({"fixed": {"k": "1"}}, "o.fixed.k is '1', not a number from 1", "not '1'"),
    "a bool in a range": ({"inner": {"count": True}}, "o.inner.count is True, not a number from", "not True"),
    "no table": ({"inner": []}, "o.inner is [], not an object", "the key 'o.inner' must be a table, not []"),
    "no array": ({"words": "uv"}, "o.words is 'uv', not an array", "'o.words' must be an array, not 'uv'"),
    "in an array": ({"many": [{"count": 1}, 2]}, "o.many[1] is 2, not an object", "'o.many[1]' must be a table, not 2"),
    "too short": ({"pair": [1]}, "o.pair has 1 elements instead of 2", "'o.pair' must be an array of 2, not [1]"),
    "in a mapping": ({"table": {"k": [1, "b"]}}, "o.table.k[1] is 'b', not a whole number", "'o.table.k[1]' must be"),
    "inside of what may be null": ({"perhaps": {"count": 0}}, "o.perhaps.count is 0, not a number from", "not 0"),
    "none of several": (
        {"scalar": []},
        "o.scalar is [], not a string or a whole number or a number or true or false or null",
        "'o.scalar' must be a string or",
    ),
    "no literal": ({"arm": "c"}, "o.arm is 'c', not one of a, b", "the key 'o.arm' must be one of a, b, not 'c'"),
    "no enum": ({"colour": "green"}, "o.colour is 'green', not one of red, blue, 1", "must be one of red, blue, 1"),
    "an enum's equal": ({"colour": True}, "o.colour is True, not one of red", "not True"),
    "refused by the class": ({"name": "never"}, "o: nobody is called that", "o: nobody is called that"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence_with_its_place(case: str) -> None:
    """Place, value, and what was wanted, in the words of the format."""
    change, json_sentence, toml_sentence = WRONG[case]
    for dialect, sentence in ((JSON, json_sentence), (TOML, toml_sentence)):
        with pytest.raises(DecodeError, match=re.escape(sentence)) as caught:
            decode(Outer, GOOD | change, "o", dialect)
        assert "\n" not in str(caught.value)


def test_a_key_that_nobody_reads() -> None:
    """A typing error in what a person wrote, with the keys that there are; a newer writer in what a program wrote."""
    text = GOOD | {"inner": {"count": 1, "cuont": 2}}
    with pytest.raises(DecodeError, match=r"^there is no key 'inner\.cuont'; there are: count, ratio$"):
        decode(Outer, text, dialect=TOML)
    assert decode(Outer, text).inner == Inner(1)


def test_fields_that_do_not_come_from_the_file() -> None:
    """They are taken as they are, of any type; the file must not have them where unknown keys are refused."""
    anything = object()
    assert decode(Outer, {"name": "x"}, given={"inner": anything}).inner is anything
    assert decode(Outer, GOOD, given={"inner": anything}).inner is anything
    with pytest.raises(DecodeError, match="there is no key 'inner'"):
        decode(Outer, GOOD, dialect=TOML, given={"inner": anything})


def test_a_dialect_of_ones_own() -> None:
    """Whoever reads something else than a file says so in its words."""
    dialect = Dialect("a thing", "{where}?", "{where}: {wanted}!", "{where}#{count}", None)
    with pytest.raises(DecodeError, match=r"^x: a thing!$"):
        decode(Inner, 1, "x", dialect)


def test_reading_a_gpu_needs_no_numpy() -> None:
    """`amdgpu-hw validate` on a bare machine reads files too."""
    script = (
        "import sys, amdgpu_hw.gpu_model.gpus as g; g.load_identity('navi31');"
        "print([m for m in ('numpy', 'attrs', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_anything_is_taken_as_it_is() -> None:
    """For what only people read, such as the facts of a piece of evidence."""
    value = {"a": [1, {"b": None}]}
    assert decode(Mapping[str, Any], value) == value
    assert decode(Any, None) is None
