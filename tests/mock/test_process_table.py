# SPDX-License-Identifier: MIT
"""Which processes of a session run: what the tests of interrupts and kills go by."""

from __future__ import annotations

import os
import signal
import subprocess

from process_table import ProcessTable, is_running


def test_a_session_and_what_it_started_elsewhere_are_told_until_they_end() -> None:
    """A child with a session of its own is family; who has ended and was not waited for is not running."""
    script = "setsid sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        elsewhere = int(leader.stdout.readline())
        while os.getsid(elsewhere) == leader.pid:  # setsid(1) has yet to run
            pass
        assert ProcessTable().session(leader.pid) == {leader.pid}
        assert ProcessTable().family(leader.pid) == {leader.pid, elsewhere}
        assert ProcessTable().children(leader.pid) == {elsewhere}
        os.kill(elsewhere, signal.SIGKILL)
        os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
        assert (is_running(leader.pid), is_running(elsewhere)) == (False, False)
        assert ProcessTable().family(leader.pid) == set()
