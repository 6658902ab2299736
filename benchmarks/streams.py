"""How many streams one process holds, and what each costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.stage import open_run, stage, visitor

STREAMS = 5_000


def measure() -> Iterator[Figure]:
    with stage() as running:
        client = visitor(running)
        # Waits at its code for as long as the benchmark lasts.
        path = open_run(client, "maple-and-main", "4500123412341234", "maple-leaf-9")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        port = int(running.url.rpartition(":")[2])
        before = running.memory()
        held, after, page_ms = asyncio.run(hold(running, port, f"{path}/live", cookie))
    yield Figure(f"streams lost, of {STREAMS}", STREAMS - held, 0, "")
    yield Figure(f"memory per stream at {STREAMS} streams", (after - before) / max(held, 1) / 1000, 25, "kB")
    yield Figure(f"a page with {STREAMS} streams open, p50 of 20", page_ms, 100, "ms")


async def hold(running: object, port: int, path: str, cookie: str) -> tuple[int, int, float]:
    """Open all streams and read the first fragment of each: (how many are held, memory then, ms for a page)."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
    gate = asyncio.Semaphore(100)

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"</section>"), 60)
            return (reader, writer) if b" 200 " in head.split(b"\r\n")[0] else None

    streams = [s for s in await asyncio.gather(*(one() for _ in range(STREAMS))) if s]
    waits = []
    for _ in range(20):
        begun = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        waits.append(asyncio.get_running_loop().time() - begun)
    held = sum(not reader.at_eof() for reader, _ in streams)
    memory = running.memory()  # type: ignore[attr-defined]
    for _, writer in streams:
        writer.close()
    return held, memory, 1000 * sorted(waits)[len(waits) // 2]
