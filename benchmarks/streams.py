"""How many streams one process holds, what each costs, and how long it takes to send all of them away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.stage import Stage, browsers, open_run, stage, visitor
from tests.many_browsers import addresses

STREAMS = 5_000


def measure() -> Iterator[Figure]:
    with stage() as running:
        client = visitor(running)
        # Waits at its code for as long as the benchmark lasts.
        path = open_run(client, "maple-and-main", "4500123412341234", "maple-leaf-9")
        cookies = browsers(running, client, STREAMS)
        port = int(running.url.rpartition(":")[2])
        before = running.memory()
        held, after, page_ms, told, drain = asyncio.run(hold(running, port, f"{path}/live", cookies))
    yield Figure(f"streams lost, of {STREAMS}", STREAMS - held, 0, "")
    yield Figure(f"memory per stream at {STREAMS} streams", (after - before) / max(held, 1) / 1000, 25, "kB")
    yield Figure(f"a page with {STREAMS} streams open, p50 of 20", page_ms, 100, "ms")
    yield Figure("streams not told to come back at a SIGTERM", held - told, 0, "")
    yield Figure(f"from a SIGTERM until {STREAMS} streams are gone", drain, 10, "s")


async def hold(running: Stage, port: int, path: str, cookies: list[str]) -> tuple[int, int, float, int, float]:
    """Open all streams, read the first fragment of each, and end the process.

    How many are held, memory then, ms for a page, how many were told to come back, and the seconds it took.
    """
    gate, ours = asyncio.Semaphore(100), addresses()

    async def one(cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(next(ours), 0))
            lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: {cookie}", "Connection: close"]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await asyncio.wait_for(reader.readuntil(b"</section>"), 60)
            return (reader, writer) if b" 200 " in head.split(b"\r\n")[0] else None

    streams = [s for s in await asyncio.gather(*map(one, cookies)) if s]
    waits = []
    for _ in range(20):
        begun = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        waits.append(asyncio.get_running_loop().time() - begun)
    held = sum(not reader.at_eof() for reader, _ in streams)
    memory, page_ms = running.memory(), 1000 * sorted(waits)[len(waits) // 2]
    begun = asyncio.get_running_loop().time()
    running.process.send_signal(signal.SIGTERM)
    ends = await asyncio.gather(*(reader.read() for reader, _ in streams))
    drain = asyncio.get_running_loop().time() - begun
    for _, writer in streams:
        writer.close()
    return held, memory, page_ms, sum(b"event: farewell" in end for end in ends), drain
