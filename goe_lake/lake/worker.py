"""Worker processes: what htslib reads is read outside the process that asks for it.

htslib ends its whole process on some malformed input. When a worker ends, that is an error about the
file it was reading, and nothing else is lost.
"""

from __future__ import annotations

import atexit
import errno
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from goe_lake.errors import InputError
from goe_lake.lake.partition import Job, PartitionSummary, Report, convert_job
from goe_lake.lake.progress import Stopped
from goe_lake.vcf.memory import keep_freed_memory

_ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
    "from goe_lake.vcf.lean import all_loaded, begin_lean; begin_lean(); "
    "from goe_lake.lake.worker import serve; all_loaded(); serve()"
)

_idle: list[_Worker] = []
_idle_lock = threading.Lock()


def convert_in_worker(job: Job, report: Report) -> PartitionSummary:
    """Do *job* in a worker process.

    Raises InputError where the input ended it or cannot be read, and the worker's own OSError where a
    disk fails, so that whoever asked can tell a full disk from one that stutters.
    """
    source = 0

    def heard(piece: int, done: int) -> None:
        nonlocal source
        source = piece
        report(piece, done)

    found = _in_worker(job, lambda: job.pieces[source].path, heard)
    return PartitionSummary.from_json(found)


def call_in_worker(path: Path, function: Callable[..., Any], *arguments: object) -> Any:
    """What *function*, a public one of a module, returns for *arguments* in a worker process.

    Raises InputError about the file at *path* where reading it ended the process, and OSError as above.
    """
    return _in_worker((function, arguments), lambda: path, lambda *_: None)


def _in_worker(message: object, reading: Callable[[], Path], heard: Callable[..., None]) -> Any:
    """The answer to *message*; *reading* is the file to blame where there is none."""
    worker = _borrow()
    found = worker.run(message, reading, heard)
    with _idle_lock:
        _idle.append(worker)
    return found


@atexit.register
def end_idle_workers() -> None:
    """End the processes that wait for work."""
    with _idle_lock:
        for worker in _idle:
            if worker.usable():
                worker.end()
        _idle.clear()


def _borrow() -> _Worker:
    with _idle_lock:
        while _idle:
            worker = _idle.pop()
            if not worker.usable():
                continue
            if worker.settings == _settings():
                return worker
            worker.end()
    return _Worker(_START)


class _Worker:
    """One process; it ends when the pipe to it closes, so it never outlives this one."""

    def __init__(self, program: str) -> None:
        self._owner = os.getpid()
        self.settings = _settings()
        # htslib's messages, read only when something went wrong
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        self._process = subprocess.Popen(  # noqa: S603  the command is made of constants
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
        )

    def usable(self) -> bool:
        """Whether the process still runs, and is this one's: a fork has the pipes of its parent."""
        return self._owner == os.getpid() and self._process.poll() is None

    def run(self, message: object, reading: Callable[[], Path], heard: Callable[..., None]) -> Any:
        """See `_in_worker`; after an error the worker must not be used again."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._messages.seek(0)
        self._messages.truncate()
        try:
            _send(self._process.stdin, message)
            while True:
                kind, *content = _receive(self._process.stdout)
                if kind == "read":
                    heard(*content)
                elif kind == "done":
                    return content[0]
                else:
                    complaint = self._last_complaint()
                    self.end()
                    raise _error(kind, complaint, *content)
        except Stopped:
            self._process.kill()
            self.end()
            raise
        except (EOFError, BrokenPipeError):
            complaint = self._last_complaint()
            self.end()
            raise InputError(
                reading(),
                f"ended the decoder (exit status {self._process.returncode}){complaint}",
                "check the file: bcftools view FILE >/dev/null, and mend the record that it names; "
                "if it finds nothing, there may be too little memory",
            ) from None

    def end(self) -> None:
        """Close the pipes to the process and wait until it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)
        self._messages.close()

    def _last_complaint(self) -> str:
        """The last error that htslib printed."""
        self._messages.seek(0)
        lines = self._messages.read().decode("utf-8", "replace").splitlines()
        errors = [line for line in lines if line.startswith("[E::")]
        return f" ({errors[-1]})" if errors else ""


def _settings() -> dict[str, str]:
    """What the environment says to this program; a process keeps what it was started with."""
    return {name: value for name, value in os.environ.items() if name.startswith("GOE_")}


def _error(kind: str, complaint: str, *content: Any) -> Exception:
    if kind == "input":
        file, problem, mend, record = content
        return InputError(file, problem + complaint, mend, record)
    if kind == "disk":
        number, problem, file = content
        # with a number and a file, OSError chooses its own subclass
        return OSError(number, problem, file)
    return RuntimeError(content[0])


def serve() -> None:
    """The worker's side: answer messages from standard input until it closes."""
    answers = os.fdopen(os.dup(1), "wb")
    # whatever a library prints must not get between the answers
    os.dup2(2, 1)
    keep_freed_memory()
    while True:
        try:
            message = _receive(sys.stdin.buffer)
        except EOFError:
            return
        _send(answers, _answer(message, answers))


def _answer(message: Any, answers: IO[bytes]) -> tuple[Any, ...]:
    try:
        if isinstance(message, Job):
            summary = convert_job(message, lambda source, done: _send(answers, ("read", source, done)))
            return "done", summary.to_json()
        function, arguments = message
        return "done", function(*arguments)
    except InputError as error:
        return "input", error.file, error.problem, error.mend, error.record
    except OSError as error:
        file = error.filename or (str(message.folder) if isinstance(message, Job) else "")
        return "disk", error.errno or errno.EIO, error.strerror or str(error), file
    except Exception:  # noqa: BLE001  a bug: its trace belongs to the process that asked
        return "failed", traceback.format_exc()


def _send(pipe: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    pipe.write(struct.pack("<Q", len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(pipe.read(struct.unpack("<Q", head)[0]))  # noqa: S301  between own processes
