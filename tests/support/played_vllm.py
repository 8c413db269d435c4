"""vLLM's program, played: its words, its second process, its routes, and the middleware that it is given.

A word is a token, and a completion is the body that it was asked with: so a test sees how it was asked.
"""

import stat
import sys
from pathlib import Path

from inf2lab.folder import Migrated

PROGRAM = """#!{python}
import asyncio, importlib, json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

words = sys.argv[1:]
if "broken" in words:
    print("(APIServer pid=1) ERROR 01-01 00:00:00 [x.py:1] loading", flush=True)
    raise ValueError("Model architectures ['Nope'] are not supported for now.")
module, name = words[words.index("--middleware") + 1].rsplit(".", 1)
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # vLLM's own second process


async def app(scope, receive, send):
    body = json.loads((await receive())["body"] or b"null")
    if scope["path"] == "/tokenize":
        answer = {{"count": len(body["prompt"].split())}}
    elif scope["path"] == "/v1/completions" and body.get("stream"):
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        for index in range(len(body["prompt"])):
            event = b"data: " + json.dumps({{"choices": [{{"index": index, "text": " so"}}]}}).encode() + b"\\n\\n"
            await send({{"type": "http.response.body", "body": event, "more_body": True}})
        await send({{"type": "http.response.body", "body": b"data: [DONE]\\n\\n"}})
        return
    elif scope["path"] == "/v1/completions":
        answer = {{"choices": [{{"text": " " + json.dumps(body, sort_keys=True)}} for _ in body["prompt"]]}}
    else:
        answer = {{}}
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": json.dumps(answer).encode()}})


bridged = getattr(importlib.import_module(module), name)(app)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        raw, sent = self.rfile.read(int(self.headers.get("content-length", 0))), []

        async def receive():
            return {{"type": "http.request", "body": raw, "more_body": False}}

        async def send(message):
            sent.append(message)

        headers = [(key.lower().encode(), value.encode()) for key, value in self.headers.items()]
        scope = {{"type": "http", "method": self.command, "path": urlsplit(self.path).path, "headers": headers}}
        asyncio.run(bridged(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent)
        self.send_response(sent[0]["status"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST


def last(name, default):
    return ([default] + [after for word, after in zip(words, words[1:]) if word == name])[-1]


print("(EngineCore pid=2) INFO 01-01 00:00:00 [x.py:1] Starting to load model m...", flush=True)
server = ThreadingHTTPServer((last("--host", "0.0.0.0"), int(last("--port", "8000"))), Handler)
print("(APIServer pid=1) INFO:     Application startup complete.", flush=True)
server.serve_forever()
"""

MIGRATED = Migrated(
    name="opt13b",
    target="vllm-nxdi",
    model_id="",
    words=["/model", "--tensor-parallel-size", "2", "--dtype=float16", "--num-gpu-blocks-override", "2"],
    sampling={"temperature": 1, "top_k": 50},
    shape="article",
    rows=1,
    loading_s=600,
    client_s=60.0,
    image="neuron/vllm:0.16.0",
    devices=1,
    options=["--cap-add", "SYS_ADMIN", "-e", "HF_HOME=/cache/huggingface", "-e", "HF_TOKEN"],
    mounts=["./cache:/cache", "./weights:/model:ro"],
    arguments=["vllm", "serve", "/model", "--tensor-parallel-size", "2", "--port", "8080"],
    health="/health",
)


def program(path: Path, text: str) -> None:
    """Write a program that this Python runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
