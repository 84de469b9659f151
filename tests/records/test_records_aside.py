"""Work beside the step: in order, finished when asked, its errors told."""

import threading
import time

import pytest

from r1lab.records.aside import Aside


def test_the_caller_goes_on_and_order_stays():
    aside, gate, seen = Aside(), threading.Event(), []
    aside.add(lambda: (gate.wait(10), seen.append("first")))
    assert seen == []
    gate.set()
    aside.add(lambda: seen.append("second"))
    assert seen[0] == "first"
    aside.finish()
    assert seen == ["first", "second"]
    aside.close()


def test_an_error_is_raised_once_by_the_next_call():
    aside = Aside()
    aside.add(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        aside.add(lambda: None)
    aside.finish()
    aside.add(lambda: 1 / 0)
    aside.close()


def test_closing_waits_for_what_goes_on():
    aside, seen = Aside(), []
    aside.add(lambda: (time.sleep(0.2), seen.append("done")))
    aside.close()
    assert seen == ["done"]
