"""What `goe ingest` begins with, while the rest of the command line is loaded: reading the files.

Loading it takes as long as unpacking a gigabyte of genotypes, and one processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
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
    # the process does nothing else: what it does not use it need not load
    begin_lean()
    nodes = [argument for argument in arguments[2:] if argument.endswith(".toml")]
    if len(nodes) != 1:
        return
    from goe_lake.config import read_node

    with suppress(GoeError, OSError):
        config = read_node(Path(nodes[0]))
        if not config.lake.exists():
            from goe_lake.vcf.ahead import begin

            begin(_wishes(config))


def reading(config: NodeConfig) -> AbstractContextManager[None]:
    """Read the genotypes of *config*, as far as that was not begun, until the end of the context."""
    from goe_lake.vcf.ahead import ahead

    return ahead(_wishes(config))


def end_reading() -> None:
    """End what was begun and not asked for."""
    from goe_lake.vcf.ahead import drop

    drop()


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
