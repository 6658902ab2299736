"""The fault table is complete: each row R1 to R42 of the promises has a test that carries its number."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent


def test_every_row_of_the_table_has_its_test() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    rows = Counter(int(row) for row in re.findall(r"^def test_r(\d\d)_", told, re.MULTILINE))
    assert sorted(rows) == list(range(1, 43))
