"""The fortnight behind the demo's support desk."""

from __future__ import annotations

import pytest

from webapp.demo import desk


def test_no_two_visits_of_the_past_have_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["KX-4417", "KX-4417", "NE-5958", "KX-4417", "PD-6513"])
    monkeypatch.setattr(desk, "new_support_code", lambda: next(drawn))
    assert desk.different_codes(3) == {"KX-4417", "NE-5958", "PD-6513"}
