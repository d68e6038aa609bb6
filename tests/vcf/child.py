"""Functions that may end their process, called in processes forked from a clean one.

htslib ends its process on some malformed records. pytest's own process must not be forked to see that: it
has threads (of Arrow, DuckDB and numpy), and a fork in the middle of what they do may hang or end for no
reason of the function's. So a small server without threads, which has loaded the compiled loops, forks.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: What keeps numpy's linear algebra and an allocator of Arrow's from starting threads.
WITHOUT_THREADS: Final = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
START: Final = "from tests.vcf.child import serve; serve()"


@dataclass(frozen=True)
class Ended:
    """htslib ended the process, with this *complaint*; any two such ends are the same."""

    complaint: str = field(compare=False)


def in_a_child(function: Callable[[], Any]) -> Any:
    """What *function* returns in a process of its own; Ended where htslib ended that.

    Raises AssertionError, with what the process said last, where the function raised an exception, a signal
    ended it, or it ended without a complaint of htslib.
    """
    return _server().call("fork", function)


def in_the_server(function: Callable[[], Any]) -> None:
    """Call *function* once in the process whose forks the children are, so that they find what it loads."""
    _server().call("here", function)


@cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.close)
    return server


class _Server:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | WITHOUT_THREADS | {"PYTHONPATH": path},
        )

    def call(self, how: str, function: Callable[[], Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        result, said = Path(self._folder.name) / "result", Path(self._folder.name) / "said"
        _send(self._process.stdin, (how, function, result, said))
        status = _receive(self._process.stdout)
        words = said.read_text(errors="replace")
        if status == 0:
            kind, value = pickle.loads(result.read_bytes())
            assert kind == "returned", value
            return value
        assert status > 0, f"ended by {signal.Signals(-status).name}:\n{words}"
        complaints = [line for line in words.splitlines() if line.startswith("[E::")]
        assert complaints, f"ended with exit status {status}:\n{words}"
        return Ended(complaints[-1])

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=30)
        self._folder.cleanup()


def serve() -> None:
    """The server's side: answer until standard input closes."""
    while True:
        try:
            how, function, result, said = _receive(sys.stdin.buffer)
        except EOFError:
            return
        if how == "here":
            said.write_text("")
            _write(result, function)
            _send(sys.stdout.buffer, 0)
            continue
        _wait_for_threads()
        child = os.fork()
        if child == 0:
            # whatever happens, the child must not go on as a second server
            with suppress(BaseException):
                _be_the_child(function, result, said)
            os._exit(97)
        _, status = os.waitpid(child, 0)
        _send(sys.stdout.buffer, os.waitstatus_to_exitcode(status))


def _wait_for_threads() -> None:
    """Return when this process has one thread; one that was joined may need a moment to be gone."""
    for _ in range(1000):
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        if len(names) == 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"a process with threads must not be forked: {names}")


def _be_the_child(function: Callable[[], Any], result: Path, said: Path) -> None:
    with said.open("wb") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    faulthandler.enable(2)
    _write(result, function)
    os._exit(0)


def _write(result: Path, function: Callable[[], Any]) -> None:
    try:
        answer = "returned", function()
    except Exception:
        answer = "raised", traceback.format_exc()
    result.write_bytes(pickle.dumps(answer))


def _send(pipe: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    pipe.write(struct.pack("<Q", len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(pipe.read(struct.unpack("<Q", head)[0]))
