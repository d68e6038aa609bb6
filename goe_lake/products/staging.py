"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goe_lake.errors import LakeError
from goe_lake.lake.commit import sync


@contextmanager
def appearing(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary path beside *target* to write a file or a folder to; it becomes *target* at the end.

    After an error nothing is left of it. Raises LakeError where *target* exists, unless *force*
    replaces it.
    """
    check_free(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield temporary
        sync_all(temporary)
        put_in_place(temporary, target)
    finally:
        _remove(temporary)


def check_free(target: Path, *, force: bool) -> None:
    """Refuse to write where something stands already, unless *force* says so."""
    if target.exists() and not force:
        raise LakeError(target, "exists already", "name another path, or give --force to replace it")


def put_in_place(fresh: Path, target: Path) -> None:
    """Rename *fresh* to *target*; an old folder of that name is moved aside first, then removed."""
    aside = fresh.with_name(fresh.name + ".old")
    if target.is_dir() or (fresh.is_dir() and target.exists()):
        target.rename(aside)
    try:
        fresh.replace(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    sync(target.parent)
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_all(path: Path) -> None:
    """Wait until a file, or all of a folder, is on disk."""
    for inner in sorted(path.rglob("*")) if path.is_dir() else ():
        sync(inner)
    sync(path)
