"""What a judge says arrives in order; how a check ended may wait for what is said next."""

from __future__ import annotations

import json
import math
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="judges are forked on Linux alone")

EACH = ["began", "checked", "checked", "judged"]


def heard(channel: Connection) -> list[str]:
    """The events of all that has arrived, each time's in one string."""
    times = []
    while channel.poll():
        times.append(" ".join(json.loads(line)["event"] for line in channel.recv_bytes().splitlines()))
    return times


@pytest.mark.parametrize(("pause", "expected"), [(math.inf, ["began", "checked checked judged"]), (-1.0, EACH)])
def test_how_a_check_ended_waits_for_its_question_and_never_long(
    monkeypatch: pytest.MonkeyPatch, pause: float, expected: list[str]
):
    from grader.engines import seat

    monkeypatch.setattr(seat, "PAUSE", pause)
    ours, theirs = Pipe(duplex=False)
    speech = seat.Speech(theirs)
    for event in EACH:
        speech.say(event, text="a\nb")
    assert heard(ours) == expected


def test_what_waits_is_sent_before_the_judge_waits(monkeypatch: pytest.MonkeyPatch):
    from grader.engines import seat

    monkeypatch.setattr(seat, "PAUSE", math.inf)
    ours, theirs = Pipe(duplex=False)
    speech = seat.Speech(theirs)
    speech.say("checked", text="é\r")
    assert heard(ours) == []
    speech.send()
    speech.send()
    assert heard(ours) == ["checked"]
