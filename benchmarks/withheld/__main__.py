"""How much of each query of sql/examples is told at k = 5, 10 and 20, and what withholds the rest.

    python -m benchmarks.withheld [--write docs/withheld-cells.md]

Every question is asked of five simulated countries in a project of its own, which was approved for it,
so that none is held to another's answers. The chart goes to `pictures/` beside the page.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.withheld.count import Counted, build, europe, examples
from benchmarks.withheld.page import LEASTS, OFF, chart, page
from goe_lake.demo.cohort import DEFAULT_COUNTRIES

PICTURE = "pictures/withheld-cells.svg"


def main() -> None:
    """Build what is missing, ask, and print or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, default=1_000, help="persons a country (default: 1000)")
    parser.add_argument(
        "--folder", type=Path, help="where the countries are made, and kept (default: nowhere)"
    )
    parser.add_argument("--write", type=Path, help="write the page here; it is printed otherwise")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as scratch:
        kept = options.folder / f"persons{options.persons}" if options.folder else Path(scratch) / "built"
        found = ask(build(kept, DEFAULT_COUNTRIES, options.persons), Path(scratch))
    text = page(found, options.persons, PICTURE)
    if options.write is None:
        print(text)
        return
    options.write.write_text(text, encoding="utf-8")
    picture = options.write.parent / PICTURE
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(chart(found, options.write), encoding="utf-8")


def ask(tomls: list[Path], scratch: Path) -> dict[int, list[Counted]]:
    """Every example at every k."""
    found: dict[int, list[Counted]] = {}
    questions, thresholds = list(examples()), (OFF, *LEASTS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("asking", total=len(thresholds) * len(questions))
        for least in thresholds:
            here = europe(tomls, scratch / f"k{least}", least)
            found[least] = []
            for name, text in questions:
                where = f"k = {least}" if least else "no rule"
                progress.update(task, description=f"{where}, {name}")
                found[least].append(here.count(name, text))
                progress.advance(task)
            here.close()
    return found


if __name__ == "__main__":
    main()
