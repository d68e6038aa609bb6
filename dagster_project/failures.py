"""What goes wrong, in Dagster's words: bad input fails at once and is not tried again, a slow disk is."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from goe_lake.errors import ConfigError, GoeError, InputError, LakeError

#: Errors of a file system that may be gone in a moment: a network mount that stutters, a busy device.
TRANSIENT: Final = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN}
)
MOST_RETRIES: Final = 3
SECONDS_BETWEEN: Final = 30


@contextmanager
def explained(folder: Path | None = None) -> Iterator[None]:
    """Turn errors of the library into failures that name file, record and mend.

    Files are named relative to *folder*. A transient OSError asks Dagster for another try.
    """
    try:
        yield
    except GoeError as error:
        raise failure_of(error, folder) from None
    except OSError as error:
        if error.errno in TRANSIENT:
            raise dg.RetryRequested(MOST_RETRIES, SECONDS_BETWEEN) from error
        raise


def failure_of(error: GoeError, folder: Path | None = None) -> dg.Failure:
    """The failure that tells *error*; Dagster does not try the step again."""
    if isinstance(error, InputError):
        file, facts = error.file, {"record": error.record or "", "problem": error.problem}
    elif isinstance(error, ConfigError):
        file, facts = error.file, {"setting": error.setting, "problem": error.problem}
    elif isinstance(error, LakeError):
        file, facts = error.path, {"problem": error.problem}
    else:
        return dg.Failure(str(error), allow_retries=False)
    file = _relative(file, folder)
    place = ", ".join(filter(None, (file, facts.get("record"), facts.get("setting"))))
    shown = {"file": file, **facts, "mend": error.mend}
    return dg.Failure(
        f"{place}: {facts['problem']}. {error.mend}",
        metadata={name: value for name, value in shown.items() if value},
        allow_retries=False,
    )


def _relative(file: str, folder: Path | None) -> str:
    """*file* as seen from the node's folder, so that no path of the host is shown for it."""
    if folder is None or not Path(file).is_absolute():
        return file
    return Path(os.path.relpath(file, folder)).as_posix()
