# SPDX-License-Identifier: MIT
"""Reports of a fleet: a page that needs nothing beside it, and what kcidb takes."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import kcidb_io
import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.index import Index
from amdgpu_hw.fleet.matrix import make_matrix
from amdgpu_hw.fleet.report_html import fleet_html
from amdgpu_hw.fleet.report_kcidb import fleet_kcidb
from amdgpu_hw.fleet.since import changes_since
from tests.mock.fleet.test_matrix import H, X, case, filled, put
from tests.mock.report.runs import NASTY


class Page(HTMLParser):
    """What a page loads, and which elements it leaves open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag == "script":
            self.loads.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def fleet(directory: Path) -> Index:
    """Results with a broken row, a flaky one, lost orders, and words that every format has to quote."""
    index = filled(
        directory, {("navi31", "k1", 1): {"B06": H, "B07": X}, ("navi31", "k1", 2): {"B06": X, "B07": X, "B08": H}}
    )
    put(directory, index.orders[0].order, case("B06", H), case("B07", X, reason=NASTY), case("B08", H))
    index.broken["b"] = NASTY
    return index


def test_the_page_needs_nothing_beside_it_and_quotes_everything(tmp_path: Path) -> None:
    """Whatever a kernel or a box says."""
    index = fleet(tmp_path)
    matrix = make_matrix(index, tmp_path)
    text = fleet_html(matrix, index, changes_since(matrix, matrix))
    page = Page()
    page.feed(text)
    assert (page.loads, page.open) == ([], [])
    assert "<b>&" not in text
    for words in ("B07 takes effect", "it burns", "flaky: B06 on navi31 k1: holds, broken", "1 row holds wherever"):
        assert words in text.replace("\n", " ")


def test_kcidb_takes_the_report(tmp_path: Path) -> None:
    """All orders in one; one that was lost is a miss, not a failure."""
    index = fleet(tmp_path)
    report = json.loads(fleet_kcidb(index, tmp_path, "lab"))
    kcidb_io.schema.V5_3.validate(report)
    statuses = [test["status"] for test in report["tests"]]
    assert {status: statuses.count(status) for status in statuses} == {"PASS": 3, "FAIL": 3, "MISS": 6}
    lost = next(test for test in report["tests"] if test["status"] == "MISS")
    assert lost["log_excerpt"] == "it burns"
    assert {test["build_id"] for test in report["tests"]} == {build["id"] for build in report["builds"]}
    places = {(test["misc"]["fleet"]["gpu"], test["misc"]["fleet"]["repetition"]) for test in report["tests"]}
    assert places == {(gpu, number) for gpu in ("navi31", "mi300x") for number in (1, 2)}


def test_an_origin_that_kcidb_does_not_take_is_one_sentence(tmp_path: Path) -> None:
    """Also where no order has results."""
    with pytest.raises(HarnessError, match="an origin in kcidb has small letters"):
        fleet_kcidb(filled(tmp_path, {}), tmp_path, "My CI")
