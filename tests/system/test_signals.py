"""Ctrl-C in a terminal reaches all processes of a command: only the one in charge may hear it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from siamtrack.system.signals import deaf_children, join_thread

SLEEPER = "import time; print('up', flush=True); time.sleep(30)"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks on this system")
def test_children_do_not_hear_ctrl_c_and_their_parent_still_does() -> None:
    with deaf_children():
        deaf = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
    hearing = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for child in (deaf, hearing):
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
            child.send_signal(signal.SIGINT)
        assert hearing.wait(timeout=20) != 0
        assert deaf.poll() is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        for child in (deaf, hearing):
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()


def test_ctrl_c_does_not_keep_a_thread_from_being_waited_for() -> None:
    class Interrupted(threading.Thread):
        """Goes on until two Ctrl-C have come while it is waited for."""

        def __init__(self) -> None:
            self.interruptions = 0
            self.may_end = threading.Event()
            super().__init__(target=self.may_end.wait)

        def join(self, timeout: float | None = None) -> None:
            if self.interruptions == 2:
                self.may_end.set()
                super().join(timeout)
                return
            self.interruptions += 1
            raise KeyboardInterrupt

    thread = Interrupted()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        join_thread(thread)
    assert thread.interruptions == 2
    assert not thread.is_alive()


def test_waiting_for_a_thread_may_have_an_end() -> None:
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait)
    thread.start()
    join_thread(thread, 0.01)
    assert thread.is_alive()
    may_end.set()
    join_thread(thread)
    assert not thread.is_alive()
