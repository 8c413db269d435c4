"""A log as it was spoken: its lines without what loggers, containers and clouds put in front of them.

A log may have gigabytes, and most of its lines differ from others in digits only. It is read in blocks; of each block
the different lines are made one text, and the words of that text are compared with those that somebody seeks. Only
lines with such a word are looked at. So the time hardly grows with what is known of failures.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from inf2lab.drills.keys import PARTS

BLOCK = 1 << 18
REACH = 1 << 14  # bytes of a long line that are read on each side of what was found in it
SAME = 10  # lines of a block that differ only in digits are looked at; the others are counted like the last of these
# What is looked at in any case: words that failures begin with, and parts of words.
_FAILS = frozenset((b"Traceback", b"ERROR", b"FATAL", b"Fatal", b"panic", b"terminate", b"error"))
_PARTS = (*(part.encode() for part in PARTS), b'", line ', b".py:")
ALWAYS = _FAILS.union(_PARTS)

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR_BYTES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_DIGITS = b"0123456789"
_SPACED = bytes(byte if (chr(byte).isalnum() and byte < 128) or byte == 95 else 32 for byte in range(256))
_TIME = r"\d\d:\d\d:\d\d"
# Each is what some tool puts in front of a line: one is taken off after the other.
_PREFIX = re.compile(
    "(?:"
    + "|".join(
        (
            r"(?:[\w.:+-]+)? +\| ",  # docker compose, CloudWatch's console
            r"\[pod/[^\]]+\] ",  # kubectl logs --prefix
            rf"\[?\d{{4}}-\d\d-\d\d[T ]{_TIME}(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?[\]:,]*(?: \[\d+\])?\s",
            rf"\d{{4}}-[A-Z][a-z]{{2}}-\d\d {_TIME}\.\d+\s+\d+:\d+\s+",  # the Neuron runtime
            rf"\d\d/\d\d/\d{{4}} {_TIME} [AP]M ",
            rf"\d\d-\d\d {_TIME} ",  # vLLM
            rf"[A-Z][a-z]{{2}} [ \d]\d {_TIME} \S+ [^\s:\[]+(?:\[\d+\])?: ",  # syslog
            r"\[ *\d+\.\d+\] ",  # the kernel
            r"std(?:out|err) [FP] ",  # containerd
            r"\S+/i-[0-9a-f]+ ",  # a stream of CloudWatch
            r"\(\w+ pid=\d+(?:, ip=[\d.]+)?\) ",  # Ray
            r"\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL) *\]?:{0,2} "
            r"(?! *(?:NRT|TDRV|NMGR|HAL|NEFF|KELF|ENC|CCOM):)",  # the runtime's level says that it failed
            r"[A-Z][a-z0-9]+(?:[A-Z]\w*)+ (?:- |(?=W-\d+-|Traceback | +File |[\w.]*(?:Error|Exception)\b))",  # Java's
            r"W-\d+-\S+?-std(?:out|err):? ?",
            r"\[\d+,\d+\]<std\w+>:",  # mpirun
            r"(?:INFO|WARN\w*|ERROR)::",
            r"(?:MODEL_LOG|[\w.]+\.WorkerLifeCycle) - ",  # TorchServe
            r"\d+ (?:\d+ )?\[[\w.-]+\]: ",  # neuronx-cc
            rf"[IWEF]\d{{4}} {_TIME}\.\d+ +\d+ \S+\] ",  # Kubernetes
            r"[\w./]+\.(?:py|go|cc|rs):\d+\] ",
        )
    )
    + ")+"
)
_MESSAGE = re.compile(r'"(?:log|message|msg|textPayload)"\s*:\s*("(?:[^"\\]|\\.)*")')  # a log kept as JSON


@dataclass(frozen=True, slots=True)
class Hit:
    """A line with sought words: its number, its bytes (a window, if it is long), the words, and how often it came."""

    number: int
    raw: bytes
    words: tuple[bytes, ...]
    times: int = 1


class Log:
    """A log to be read once; `lines`, `held` (the most bytes at once) and `found` (hits) are known at its end."""

    def __init__(self, stream: BinaryIO, sought: Collection[bytes]) -> None:
        self._stream = stream
        self._bare: dict[bytes, list[bytes]] = {}
        for word in {*sought, *_FAILS}:
            self._bare.setdefault(word.translate(None, _DIGITS), []).append(word)
        self._words = frozenset(self._bare)
        self.lines = self.held = self.found = 0

    def hits(self) -> Iterator[Hit]:
        """Yield each line with a sought word, or with what an exception looks like."""
        rest = b""
        for data in _utf8(self._stream):
            block = rest + data
            self.held = max(self.held, len(block))
            cut = block.rfind(b"\n") + 1
            if not cut and len(block) < 4 * BLOCK:  # a line of more is cut: it is no line of a log
                rest = block
                continue
            block, rest = block[: cut or len(block)], block[cut or len(block) :]
            yield from self._hits(block)
            self.lines += block.count(b"\n")
        yield from self._hits(rest)
        self.lines += bool(rest)

    def _hits(self, block: bytes) -> Iterator[Hit]:
        shapes = block.translate(None, _DIGITS).split(b"\n")
        sought = self._sought_in(b"\n".join(set(shapes)))
        if not sought:
            return
        lines, total, seen = block.split(b"\n"), Counter(shapes), Counter[bytes]()
        for place, shape in enumerate(shapes):
            if (words := sought.get(shape)) is None:
                continue
            seen[shape] += 1
            if seen[shape] <= SAME:
                self.found += 1
                times = 1 if seen[shape] < SAME else 1 + total[shape] - SAME
                yield Hit(self.lines + place + 1, _window(lines[place], words), tuple(words), times)

    def _sought_in(self, text: bytes) -> dict[bytes, list[bytes]]:
        """Return the lines of a text without digits that have sought words, with those. Colours belong to no word."""
        plain = _COLOUR_BYTES.sub(b" ", text) if b"\x1b" in text else text
        if b"\\" in plain:  # JSON's
            plain = plain.replace(b"\\n", b" ").replace(b"\\t", b" ").replace(b"\\r", b" ")
        found: dict[bytes, list[bytes]] = {}
        for bare in (*self._words.intersection(plain.translate(_SPACED).split()), *_PARTS):
            at = text.find(bare)
            while at >= 0:
                end = text.find(b"\n", at)
                end = len(text) if end < 0 else end
                line = text[text.rfind(b"\n", 0, at) + 1 : end]
                found.setdefault(line, []).extend(self._bare.get(bare, [bare]))
                at = text.find(bare, end)
        return found


def spoken(raw: bytes) -> list[str]:
    """Return what a line says, bare: what was wrapped in JSON (which may be several lines), or else the line itself."""
    text = _COLOUR.sub("", raw.decode(errors="replace"))
    wrapped = [line for found in _MESSAGE.findall(text) for line in _unescaped(found).splitlines()]
    return [bare(line) for line in (wrapped or re.split(r"[\r\n]+", text.rstrip("\r\n")))]


def readings(raw: bytes) -> list[str]:
    """Return every text in which a rule's words are sought: the line as it stands, and what it says."""
    whole = _COLOUR.sub("", raw.decode(errors="replace")).rstrip("\r\n")
    return list(dict.fromkeys((*spoken(raw), whole)))


def bare(line: str) -> str:
    """Return a line without its prefixes; a traceback's indent stays."""
    match = _PREFIX.match(line)
    return line[match.end() :] if match else line


def _window(line: bytes, words: list[bytes]) -> bytes:
    at = max(0, line.find(words[0])) if len(line) > 2 * REACH else 0
    return line[max(0, at - REACH) : at + REACH] if len(line) > 2 * REACH else line


def _unescaped(quoted: str) -> str:
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        return quoted[1:-1]


def _utf8(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream's blocks; what PowerShell wrote with `>` is UTF-16, and is made UTF-8."""
    data = stream.read(BLOCK)
    decoder = codecs.getincrementaldecoder("utf-16")("replace") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    while data:
        yield decoder.decode(data).encode() if decoder else data
        data = stream.read(BLOCK)
