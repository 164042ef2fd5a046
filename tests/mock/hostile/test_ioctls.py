# SPDX-License-Identifier: MIT
"""Hostile ioctls on every device, straight into the mock kernel."""

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import examples
from .values import TEMPLATES, Request, requests
from .world import world


def test_every_template_succeeds_in_a_fresh_world() -> None:
    """What the hostile clients start from makes sense: only what cannot succeed at all is refused."""
    for template in TEMPLATES:
        with world() as here:
            result = Request(template, {}, 0, None, template.fd, "interrupt").run(here)
            print(template.ioctl.name, dict(template.fields), result)


@settings(max_examples=examples(150))
@given(st.lists(requests(), min_size=10, max_size=40))
def test_any_ioctl_is_answered(calls: list[Request]) -> None:
    """Sequences of ioctls with wrong numbers, pointers, handles and sizes: answers, and nothing is left behind."""
    with world() as here:
        for call in calls:
            assert 0 <= call.run(here) < 600
            here.expect_sound()
