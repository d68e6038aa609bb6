"""What `goe ingest` begins with, while the rest of the command line is loaded: reading the files.

Loading it takes as long as unpacking a gigabyte of genotypes, and one processor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from goe_lake.errors import GoeError
from goe_lake.vcf.lean import begin_lean

if TYPE_CHECKING:
    from goe_lake.config import NodeConfig
    from goe_lake.vcf.ahead import Wish

#: The names of this program, as a script and as a module.
_PROGRAM: Final = frozenset({"goe", "cli.py"})


def is_ingest(arguments: Sequence[str]) -> bool:
    """Whether *arguments*, as of `sys.argv`, are those of a process that does nothing but ingest."""
    return len(arguments) > 1 and Path(arguments[0]).name in _PROGRAM and arguments[1] == "ingest"


def begin_ingest(arguments: Sequence[str]) -> None:
    """Begin to read what an ingest with these *arguments* is about to read; nothing for other commands.

    Whatever is wrong is left to the command, which looks at the same again.
    """
    if not is_ingest(arguments):
        return
    sys.excepthook = _stopped
    # the process does nothing else: what it does not use it need not load
    begin_lean()
    nodes = [argument for argument in arguments[2:] if argument.endswith(".toml")]
    if len(nodes) != 1:
        return
    from goe_lake.config import read_node

    with suppress(GoeError, OSError):
        config = read_node(Path(nodes[0]))
        if not config.lake.exists():
            _begin(config)


def _stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End after Ctrl-C as the command does, which is not loaded yet; anything else is shown as ever."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    end_reading()
    sys.stderr.write("stopped\n")
    sys.stderr.flush()
    # the code of `options.Exit.FAILED`; an exit as usual would wait for threads and tell of the signal
    os._exit(1)


def _begin(config: NodeConfig) -> None:
    from goe_lake.vcf import ahead

    if ahead.begin(_wishes(config)):
        # what converts is loaded while the first units are decoded
        from goe_lake.lake import begun

        begun.begin(config)


@contextmanager
def reading(config: NodeConfig) -> Iterator[None]:
    """Read and convert the genotypes of *config* for a new lake, unless that was begun, up to the end."""
    from goe_lake.lake.begun import begun, is_begun
    from goe_lake.vcf.ahead import ahead

    if not is_begun(config):
        # node.toml may have been changed a moment ago
        end_reading()
        if config.lake.exists():
            # which remembers what was read and converted
            yield
            return
    with ahead(_wishes(config)), begun(config):
        yield


def end_reading() -> None:
    """End what was begun and not asked for."""
    # as far as they are loaded: Ctrl-C may come before
    for name, end in (("goe_lake.lake.begun", "end"), ("goe_lake.vcf.ahead", "drop")):
        if name in sys.modules:
            getattr(sys.modules[name], end)()


def _wishes(config: NodeConfig) -> list[Wish]:
    from goe_lake.vcf.ahead import Wish

    info_fields = tuple(config.annotation.info_fields)
    return [
        Wish(
            path,
            config.assembly,
            delivery.kept_fields,
            delivery.min_block_gq,
            info_fields,
            # what several files hold may have to be merged, and alleles moved to the left sorted
            streamed=len(delivery.files) == 1 and config.reference is None,
        )
        for delivery in config.genotypes
        for path in delivery.files
    ]
