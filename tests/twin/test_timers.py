"""Timers can be dropped by what they are about, and cost nothing once they are."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.twin.clock import Clock

from .planes import Control, Deck

HOUR = timedelta(hours=1)


def waiting(clock: Clock) -> list[tuple[str, object]]:
    return [(timer.name, timer.args.get("run_id")) for timer in clock.timers]


def test_a_dropped_timer_never_goes_off() -> None:
    clock = Clock()
    clock.after(HOUR, "runs.time_out", run_id="kim")
    clock.after(HOUR / 2, "runs.settle", run_id="kim")
    clock.after(HOUR, "runs.settle", run_id="lee")

    clock.drop(run_id="kim", but="runs.time_out")

    assert clock.next_due == clock.now + HOUR
    assert waiting(clock) == [("runs.time_out", "kim"), ("runs.settle", "lee")]
    clock.drop(run_id="kim")
    first = clock.due(clock.now + HOUR)
    assert first and first.args == {"run_id": "lee"}
    assert (clock.due(clock.now + HOUR), clock.next_due) == (None, None)


def test_only_timers_that_carry_all_of_it_are_dropped() -> None:
    clock = Clock()
    for asked in (1, 2):
        clock.after(HOUR, "runs.expire", run_id="kim", asked=asked)

    clock.drop(run_id="kim", asked=1)
    clock.drop(run_id="nobody")

    assert [timer.args["asked"] for timer in clock.timers] == [2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)) | st.sampled_from("abc"), max_size=60))
@settings(max_examples=100, deadline=None)
def test_the_rest_goes_off_in_order(story: list[tuple[str, int] | str]) -> None:
    """Whatever is set and dropped, and in whichever order."""
    clock, expected = Clock(), []
    for n, step in enumerate(story):
        if isinstance(step, str):
            clock.drop(run_id=step)
            expected = [row for row in expected if row[2] != step]
        else:
            clock.after(HOUR * step[1], "runs.settle", run_id=step[0])
            expected.append((step[1], n, step[0]))

    gone_off = []
    while timer := clock.due(clock.now + 6 * HOUR):
        gone_off.append(timer.args["run_id"])

    assert gone_off == [run for _, _, run in sorted(expected)]


def test_dropped_timers_do_not_pile_up() -> None:
    clock = Clock()
    clock.after(HOUR, "runs.settle", run_id="first")
    for n in range(2_000):
        clock.after(2 * HOUR, "runs.settle", run_id=f"run {n}")
        clock.drop(run_id=f"run {n}")

    assert len(clock.timers) == 1
    assert len(vars(clock)["_queue"]) < 200


def test_a_canceled_run_leaves_no_timers_of_its_own(deck: Deck, control: Control) -> None:
    kept, gone = deck.run(), deck.run()
    deck.post(f"/task-runs/{gone['id']}/cancel")
    control.until("task_run.canceled")

    about = [timer["subject"]["id"] for timer in control.get("/world/next")["timers"] if timer.get("subject")]
    assert gone["id"] not in about
    assert kept["id"] in about
