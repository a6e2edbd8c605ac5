"""Serves files of any size after a wait, in a process of its own: ``/<anything>/<bytes>``."""

from __future__ import annotations

import argparse
import asyncio
import sys

PIECE = b"%PDF-1.7\n" + b"r" * (1 << 18)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    """Answer requests of one connection until it is closed."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            left = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
            await asyncio.sleep(latency)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: %d\r\n\r\n" % left)
            while left:
                piece = PIECE[:left]
                writer.write(piece)
                await writer.drain()
                left -= len(piece)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(latency: float) -> None:
    """Print the port, and serve until standard input ends."""
    server = await asyncio.start_server(lambda r, w: answer(r, w, latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    asyncio.run(serve(parser.parse_args().latency))
