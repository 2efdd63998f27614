"""Runs in a container as what a route leads to: HTTP on 8080 (`/`, `/slow` after 3 s, an upgrade that echoes lines), and on 9090
a greeting and an echo of lines. Each answer names the VERSION. It says `ready` when it listens. SIGTERM ends it at once: whoever stops it has waited."""

import asyncio
import base64
import hashlib
import os
import signal

VERSION = os.environ["VERSION"]


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while raw := (await reader.readuntil(b"\r\n\r\n")).decode():
            head = raw.lower()
            if "upgrade: websocket" in head:
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + f"Sec-WebSocket-Accept: {accepted(raw)}\r\nX-Version: {VERSION}\r\n\r\n".encode()
                )
                return await echo(reader, writer)
            if head.startswith("get /slow"):
                await asyncio.sleep(3)
            last = "connection: close" in head
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(VERSION)}\r\n"
                f"Connection: {'close' if last else 'keep-alive'}\r\n\r\n{VERSION}".encode()
            )
            await writer.drain()
            if last:
                return None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        writer.close()


def accepted(head: str) -> str:
    """The answer to a WebSocket's key (RFC 6455, section 4.2.2)."""
    lines = (line.partition(":") for line in head.split("\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == "sec-websocket-key")
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())  # noqa: S324 - the protocol's
    return base64.b64encode(digest.digest()).decode()


async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{VERSION}\n".encode())
    try:
        await echo(reader, writer)
    except ConnectionError:
        return
    finally:
        writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        await asyncio.start_server(http, "", 8080, backlog=512),
        await asyncio.start_server(tcp, "", 9090),
    ):
        print("ready")  # noqa: T201 - for whoever waits for it
        await stop.wait()
        os._exit(0)


asyncio.run(main())
