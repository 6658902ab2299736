"""What the first view of the flow costs over the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.stage import open_run, stage, visitor


def measure() -> Iterator[Figure]:
    with stage() as running:
        client = visitor(running)
        page = client.get(open_run(client, "maple-and-main", "4500123412341234", "maple-leaf-9"))
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
        answers = [page, *(client.get(file.replace("&amp;", "&")) for file in files)]
        size = sum(a.num_bytes_downloaded + len(str(a.headers)) for a in answers)
    yield Figure("first view of the flow: bytes over the wire, headers included", size / 1000, 60, "kB")
    yield Figure("first view of the flow: requests", len(answers), 6, "")
