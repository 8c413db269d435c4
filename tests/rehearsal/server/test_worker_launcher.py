"""The launcher keeps a worker from outliving its server, by the kernel's means and by the portable one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from rehearsal.server.workers.process import LAUNCHER

SERVER = """
    import os, subprocess, sys
    lease, writer = os.pipe()
    worker = subprocess.Popen([sys.executable, "-I", "-S", {launcher!r}, str(os.getpid()), str(lease),
                               sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
                              pass_fds=(lease,), stdout=subprocess.PIPE)
    worker.stdout.readline()
    print(worker.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["kernel", "watcher"])
def test_the_worker_ends_with_its_server(tmp_path, alive, way):
    launcher = tmp_path / "launcher.py"
    text = LAUNCHER.read_text()
    if way == "watcher":
        text = text.replace('sys.platform == "linux"', "False")
        assert text != LAUNCHER.read_text()
    elif sys.platform != "linux":
        pytest.skip("only Linux kills a process with its parent")
    launcher.write_text(text)
    code = textwrap.dedent(SERVER).format(launcher=str(launcher))
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = int(server.stdout.readline())
    assert alive(worker)
    server.kill()  # SIGKILL to the process that this test started
    server.wait()
    deadline = time.monotonic() + 60
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    server.stdin.close()
    server.stdout.close()
    assert not alive(worker)


def test_it_becomes_the_command(tmp_path):
    lease, writer = os.pipe()
    command = [sys.executable, "-c", "import os, sys; print(sys.argv[1:], os.environ['A'], os.getcwd())", "x", "y z"]
    made = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(lease), *command],
        pass_fds=(lease,),
        env={"A": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    os.close(lease)
    os.close(writer)
    assert made.stdout.strip() == f"['x', 'y z'] 1 {tmp_path}"
