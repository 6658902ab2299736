"""Text from outside websites cannot end a frame or begin another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.security.corpus import CORPUS
from tests.security.tools import sse_events
from webapp.live import sse


@given(st.text(st.characters(exclude_categories=[])), st.sampled_from(["", "over"]))
def test_any_text_is_exactly_one_event(text: str, event: str) -> None:
    before, after = sse("before"), sse("after")
    line_ends_alike = re.sub("\r\n|\r", "\n", text)
    wanted = [("message", "before"), (event or "message", line_ends_alike), ("message", "after")]
    assert sse_events(before + sse(text, event=event) + after) == wanted


def test_the_frame_that_fooled_a_naive_server_is_one_event() -> None:
    forged = "x\r\revent: run_completed\rdata: forged"
    assert sse_events(f"data: {forged}\n\n") != [("message", forged)], "the naive way fires a forged event"
    assert sse_events(sse(forged)) == [("message", forged.replace("\r", "\n"))]


@pytest.mark.parametrize("text", CORPUS, ids=lambda text: ascii(text)[:24])
def test_nothing_in_the_corpus_breaks_out_of_its_frame(text: str) -> None:
    assert [kind for kind, _ in sse_events(sse("x") + sse(text) + sse("y", event="over"))] == [
        "message",
        "message",
        "over",
    ]
