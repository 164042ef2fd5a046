# SPDX-License-Identifier: MIT
"""JUnit, kcidb, HTML and Markdown: read back by those who know the form, with words that each has to quote."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from junitparser import Error, Failure, JUnitXml, Properties, Skipped
from kcidb_io.schema import LATEST

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.report.formats import FORMATS, ReportOptions, make_report
from amdgpu_hw.terminal import printable
from amdgpu_hw.verdict.machine import GivenModule
from tests.mock.report.runs import GUEST, MACHINES, MOCK, NASTY, REAL, every_kind, hurt, run

NONE = ReportOptions()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_report_says_what_is_modelled(name: str, machine: str) -> None:
    """Of the kernel and of the GPU, and never that something is which is not."""
    text = " ".join(make_report(name, run(MACHINES[machine]), NONE).split())
    assert ("MODELLED GPU" in text) is (machine != "real")
    assert ("MODELLED KERNEL" in text) is (machine == "mock")
    assert "Tested-by: " not in text


def test_there_is_no_other_form() -> None:
    """The error lists what there is."""
    with pytest.raises(HarnessError, match="there is no report 'pdf'; there are: mail, ktap"):
        make_report("pdf", run(), NONE)


def test_junit_has_a_case_for_each_case_with_its_row() -> None:
    """Broken and flaky are failures, what is no judgement an error; names have no numbers that change."""
    xml = JUnitXml.fromstring(make_report("junit", run(cases=every_kind()), NONE).encode())
    found = {}
    for suite in xml:
        for case in suite:
            kinds = [type(result) for result in case.result]
            row = next(each.value for each in case.child(Properties) if each.name == "row")
            found[row] = kinds
            assert case.name.startswith(row)
    assert found == {
        "B06": [],
        "B30": [Failure],
        "B31": [Skipped],
        "B33": [Skipped],
        "B45": [Failure],
        "T15": [Error],
        "T16": [Error],
    }
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (7, 2, 2, 2)


def test_junit_of_an_interrupted_run_has_an_error() -> None:
    """Who looks at the cases alone sees it as well."""
    results = run()
    results.interrupted = "Ctrl-C during B09"
    xml = JUnitXml.fromstring(make_report("junit", results, NONE).encode())
    assert xml.errors == 1


@pytest.mark.parametrize("machine", MACHINES)
def test_kcidb_takes_the_report(machine: str) -> None:
    """By the schema of kcidb-io; every test is of the build that the report declares."""
    report = json.loads(make_report("kcidb", run(MACHINES[machine], every_kind()), NONE))
    assert LATEST.is_compatible_directly(report) or LATEST.is_compatible(report)
    LATEST.validate(report)
    (build,) = report["builds"]
    assert {test["build_id"] for test in report["tests"]} == {build["id"]}
    assert len({test["id"] for test in report["tests"]}) == len(report["tests"])
    statuses = {test["comment"].partition(":")[0]: test["status"] for test in report["tests"]}
    assert statuses == {
        "B06": "PASS",
        "B30": "FAIL",
        "B31": "FAIL",
        "B33": "SKIP",
        "B45": "FAIL",
        "T15": "ERROR",
        "T16": "ERROR",
    }
    assert build["misc"]["kernel_is_real"] is (machine != "mock")


def test_kcidb_tests_can_be_of_a_build_that_the_ci_has_reported() -> None:
    """Then the report declares none."""
    report = json.loads(make_report("kcidb", run(REAL), ReportOptions(origin="my_ci", build="my_ci:b1")))
    LATEST.validate(report)
    assert "builds" not in report
    assert {test["build_id"] for test in report["tests"]} == {"my_ci:b1"}


@pytest.mark.parametrize(
    "options", [ReportOptions(origin="My CI"), ReportOptions(build="b1"), ReportOptions(checkout="b1")], ids=str
)
def test_ids_that_kcidb_does_not_take_are_refused(options: ReportOptions) -> None:
    """Before somebody submits them."""
    with pytest.raises(HarnessError, match="in kcidb"):
        make_report("kcidb", run(), options)


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_quotes_what_it_is_given() -> None:
    """No link, no script; a timeline where there are moments; failures are open, the rest is folded."""
    page = Page()
    text = make_report("html", run(cases=every_kind()), NONE)
    page.feed(text)
    assert page.links == []
    assert not {"script", "link", "img", "b&"} & set(page.tags)
    assert page.tags.count("details") == 7
    assert page.tags.count("svg") == 2
    assert text.count("<details open>") == 4
    assert NASTY.partition("\x1b")[0] in page.text
    assert "url(" not in text


def test_markdown_quotes_what_it_is_given() -> None:
    """A table stays a table."""
    text = make_report("markdown", run(cases=every_kind()), NONE)
    assert "<b>&" not in re.sub(r"`[^`\n]*`", "", text)
    assert all(line.count("|") >= 3 for line in text.splitlines() if line.startswith("|"))
    assert "* **F4** (B30, B31): input fences are dropped (patch 1)." in text


def test_the_guests_kernel_is_real() -> None:
    """Its verdict is one on that kernel."""
    assert "Linux 7.3.4 #1 SMP (x86_64, REAL)" in make_report("markdown", run(GUEST), NONE).replace("\\", "")
    assert "series-v1 (MODELLED)" in make_report("markdown", run(MOCK), NONE)


@pytest.mark.parametrize("name", FORMATS)
def test_every_report_says_what_was_tested_and_what_happened_to_it(name: str) -> None:
    """Kernel build, firmware, who else was there; resets in rows that hold, in those that do not, and between two."""
    text = " ".join(make_report(name, hurt(), NONE).replace("\\", "").split())
    for words in ("explicit sync v1", "6.18.0 (gcc 14)", "config c0ffeec0ffee", "tainted U (64)", "022.001"):
        assert words in text, words
    for words in ("sdma 0x00000013", "libdrm_amdgpu.so.1.0.0 2.4.114", "the desktop", "commit 1234567890ab"):
        assert words in text, words
    for words in ("/dev/kmsg", "reset (told)", "kernel.log (812 bytes)", "devcoredump: it is for root", "record 3"):
        assert words in text, words
    assert "reset (spared)" in text
    if name != "kcidb":  # it knows tests only, nothing of the run
        assert "reset (between)" in text
        assert "that is the suspect" in text


@pytest.mark.parametrize("name", FORMATS)
def test_no_report_commands_a_terminal(name: str) -> None:
    """Names of tests and of other people's processes are in it."""
    for results in (hurt(), run(cases=every_kind())):
        text = make_report(name, results, NONE)
        assert printable(text) == text


@pytest.mark.parametrize("form", ["mail", "html", "markdown"])
def test_which_driver_a_guest_was_given_is_told(form: str) -> None:
    """What it was built from: patches and edits, by digest."""
    module = GivenModule("/x/amdgpu.ko", ("[PATCH 1/3] one (0123)",), ("mended (4567)",))
    text = make_report(form, run(replace(GUEST, guest_module=module)), NONE).replace("\\", "")
    words = "amdgpu.ko (1 patches: [PATCH 1/3] one (0123); edits: mended (4567))"
    assert words in " ".join(text.split())
