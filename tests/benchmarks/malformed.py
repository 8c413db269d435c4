"""Whether the rehearsal server stays whole under clients that speak no HTTP, or nearly; run it by hand.

    python tests/benchmarks/malformed.py [--connections 25000] [--clients 8] [--seed 1]

Each connection sends one of the shapes below, or a damaged copy: cut, flipped, doubled, in pieces, or broken off with a
reset. Beside each goes a good request on a connection that stays. That must get its own echo, no answer may hold
another connection's mark, each connection must end, and the server must print no traceback of its own, keep its one
worker, and have its descriptors and its memory (within 10 %, judged from 5,000 connections on) as after the first
tenth. Prints the statuses; exit code 1 names each broken promise.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from soak import PATIENCE_S, at_rest, judge, left_behind, start

GROWTH_LIMIT, JUDGED_FROM = 0.10, 5000
BODY = b'{"kind": "ok", "n": "MARK"}'
HEAD = b"POST /predictions/m HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % (len(BODY) + 8) + BODY  # a mark is eight bytes longer than its name
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def posted(kind: bytes, body: bytes) -> bytes:
    """A request whose body is of another kind than it says."""
    return (
        b"POST /predictions/m?MARK HTTP/1.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        + body
    )


SHAPES = {
    "good": GOOD,
    "nothing": b"",
    "blank lines": b"\r\n" * 50 + GOOD,
    "no version": b"GET /ping\r\n\r\n",
    "another version": b"GET /ping HTTP/3.7\r\n\r\n",
    "lower-case version": b"GET /ping http/1.1\r\n\r\n",
    "two blanks": b"GET  /ping  HTTP/1.1\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\n\r\n",
    "long line": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
    "long head": b"GET /ping HTTP/1.1\r\n" + b"X-Mark: MARK\r\n" * 900 + b"\r\n",
    "endless head": b"GET /ping HTTP/1.1\r\nX: " + b"y" * 40000,
    "no colon": b"GET /ping HTTP/1.1\r\nHost\r\n\r\n",
    "blank before colon": HEAD + b"Content-Length : 5\r\n\r\nMARK",
    "folded": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
    "bare CR": HEAD.replace(b"\r\n", b"\r") + b"\r\r",
    "NUL": b"GET /pi\0ng HTTP/1.1\r\nA\0: b\r\n\r\n",
    "high bytes": b"G\xc9T /\xff\xfe HTTP/1.1\r\nH\xf6st: \x80\r\n\r\n",
    "both lengths": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /MARK HTTP/1.1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}GET /MARK HTTP/1.1\r\n\r\n",
    "list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "negative length": HEAD + b"Content-Length: -5\r\n\r\nMARK",
    "hexadecimal length": HEAD + b"Content-Length: 0x10\r\n\r\nMARK",
    "endless length": HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nMARK",
    "over the limit": HEAD + b"Content-Length: 99999999999\r\n\r\nMARK",
    "short body": HEAD + b"Content-Length: 500\r\n\r\nMARK",
    "long body": GOOD + b"MARK" * 40,
    "no length": HEAD + b"\r\n" + BODY,
    "chunks": CHUNKED + b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    "chunk without a size": CHUNKED + b"\r\nMARK\r\n0\r\n\r\n",
    "chunk of another size": CHUNKED + b"3\r\nMARK\r\n0\r\n\r\n",
    "chunk of no number": CHUNKED + b"zz\r\nMARK\r\n0\r\n\r\n",
    "endless chunk": CHUNKED + b"ffffffffffffffffff\r\nMARK",
    "long extension": CHUNKED + b"4;" + b"x" * 20000 + b"\r\nMARK\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\nX: MARK\r\nContent-Length: 7\r\n\r\n",
    "no end of chunks": CHUNKED + b"4\r\nMARK\r\n",
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nMARK\r\n0\r\n\r\n",
    "no coding": HEAD + b"Transfer-Encoding: identity\r\n\r\nMARK",
    "expects": HEAD + b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n",
    "expects another": HEAD + b"Expect: tea\r\nContent-Length: 4\r\n\r\nMARK",
    "upgrade": GOOD.replace(
        b"Host: 127.0.0.1", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x"
    ),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\n\r\nMARK",
    "another site": b"GET http://evil.example/MARK HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "bad escapes": b"POST /predictions/%zz%MARK?%%%=%f HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "odd method": b"BREW /predictions/m HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "closes": GOOD.replace(b"Host: 127.0.0.1", b"Connection: close") + GOOD,
    "pipelined": GOOD * 40,
    "pipelined, then broken": GOOD * 5 + b"\xff" * 30 + GOOD * 5,
    "deep JSON": posted(b"application/json", b"[" * 30000),
    "no JSON": posted(b"application/json", b"\xff\xfeMARK"),
    "form": posted(b"application/x-www-form-urlencoded", b"a&=&%41=%&" * 500),
    "parts": posted(
        b"multipart/form-data; boundary=B", b'--B\r\nContent-Disposition: form-data; name="\r\n\r\n--B' * 40
    ),
    "no boundary": posted(b"multipart/form-data; boundary=", b"--MARK--"),
    "model of nowhere": b"POST /models?url=/MARK&min_worker=x HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "numbers": b"PUT /models/m?min_worker=" + b"9" * 3000 + b" HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
}


@dataclass
class Tally:
    """What was met; several threads add to it."""

    statuses: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # promises
    connections: int = 0


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A copy with one fault more, or none."""
    if not data:
        return data
    at = draw.randrange(len(data))
    flipped = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    return draw.choice([data, data, data, data[:at], data[at:], flipped, data + data, data[:at] + data])


def talk(port: int, data: bytes, draw: random.Random, ask: Callable[[], None]) -> bytes:
    """Sends bytes in one of several ways, asks what is good, and returns what has come back when that is answered."""
    got, manner = b"", draw.randrange(5)
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        step = draw.randrange(1, 40) if manner == 1 else len(data) or 1
        for at in range(0, min(len(data), step * 200), step):
            client.sendall(data[at : at + step])
        client.sendall(data[step * 200 :])
        if manner == 2:  # gone without a word
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return got
        ask()  # the server has seen by then what came before, and its one worker has answered it
        with contextlib.suppress(OSError):  # it may be closed already, with an answer still to be read
            client.shutdown(socket.SHUT_WR)
        while part := client.recv(65536):
            got += part
    return got


def client(port: int, seed: int, number: int, tally: Tally, lock: threading.Lock) -> None:
    """Makes so many connections, and asks what is good during each."""
    draw, names = random.Random(seed), sorted(SHAPES)
    steady = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for count in range(number):
        mark = f"m{seed % 100:02d}-{count:08d}"  # twelve bytes
        shape = draw.choice(names)
        broken: list[str] = []

        def ask(mark: str = mark, shape: str = shape, broken: list[str] = broken) -> None:
            try:
                body = f'{{"kind": "ok", "n": "{mark}"}}'
                steady.request("POST", "/predictions/m", body, {"Content-Type": "application/json"})
                reply = steady.getresponse()
                judge("ok", {"kind": "ok", "n": mark}, reply.status, reply.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                broken.append(f"a good request beside {shape}: {error!r}")
                steady.close()

        try:
            answer = talk(port, damaged(SHAPES[shape].replace(b"MARK", mark.encode()), draw), draw, ask)
        except TimeoutError:
            answer = b""
            broken.append(f"{shape}: neither an answer nor an end")
        if others := set(re.findall(rb"m\d\d-\d{8}", answer)) - {mark.encode()}:
            broken.append(f"{shape}: an answer holds {others}")
        with lock:
            tally.connections += 1
            tally.broken += broken
            tally.statuses.update(status.decode() for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer))
            if not answer:
                tally.statuses["no answer"] += 1
    steady.close()


def run(port: int, seed: int, clients: int, number: int, tally: Tally) -> None:
    """All clients at once, until they are done."""
    lock = threading.Lock()
    threads = [
        threading.Thread(target=client, args=(port, seed * 100 + each, number // clients, tally, lock))
        for each in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(argv: list[str] | None = None) -> int:
    """Prints what was met; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=25000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="malformed-") as name:
        folder = Path(name)
        with (folder / "said").open("wb") as said:
            process, port = start(folder, 1, said)
        try:
            workers, files = [child.pid for child in process.children()], process.num_fds()
            run(port, args.seed, args.clients, args.connections // 10, tally)
            before = process.memory_info().rss
            run(port, args.seed + 1, args.clients, args.connections - args.connections // 10, tally)
            _, files_after = at_rest(process, len(process.children(recursive=True)), files)
            growth = process.memory_info().rss / before - 1
            if [child.pid for child in process.children()] != workers:
                tally.broken.append("the worker is another one")
            if files_after > files:
                tally.broken.append(f"{files_after} open files when idle again, {files} at the start")
            if growth > GROWTH_LIMIT and args.connections >= JUDGED_FROM:
                tally.broken.append(f"memory grew by {growth:.1%}, the limit is {GROWTH_LIMIT:.0%}")
            tally.broken += left_behind(process, folder)
        finally:
            if process.poll() is None:
                process.kill()
        tally.broken += [line for line in (folder / "said").read_text().splitlines() if line.startswith("Traceback")]
    print(f"{tally.connections} connections, a good request beside each, in {time.monotonic() - began:.0f} s")
    print("  ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items())))
    print(f"memory {growth:+.1%} after the first tenth; open files {files} idle, {files_after} idle after")
    for line in tally.broken[:50]:
        print(f"BROKEN {line}")
    print(f"{len(tally.broken)} promises broken")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
