"""Law 1 finds mistakes: each seeded one makes an answer another than the pooled one."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goe_lake.config import read_node
from goe_lake.lake import ingest
from tests.mutants.hunt import PLACES
from tests.mutants.mutants import MUTANTS, Mutant
from tests.oracle.cohort import shape_of, write_cohort
from tests.properties.whole_language import K

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "goe_lake"


def test_each_mistake_is_one_line() -> None:
    """Each stands where the source has its right form, and is Python."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25
    for mutant in MUTANTS:
        text = mutant.text(PACKAGE)
        assert text != (PACKAGE / mutant.path).read_text()
        compile(text, mutant.path, "exec")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lakes that are asked, built by the right package; a file that names them."""
    folder = tmp_path_factory.mktemp("lakes")
    shapes = [shape_of(place, k) for place in PLACES for k in (None, K)]
    worlds = {shape: write_cohort(shape, folder / str(number)) for number, shape in enumerate(shapes)}
    for nodes in worlds.values():
        for node in nodes:
            ingest(read_node(node.toml), min_label_persons=1, progress=None)
    file = folder / "worlds.pickle"
    file.write_bytes(pickle.dumps(worlds))
    return file


def hunted(built: Path, folder: Path, mutant: Mutant | None) -> dict[str, object]:
    """What a hunt in a copy of the package with *mutant* finds."""
    copy = folder / "goe_lake"
    shutil.copytree(PACKAGE, copy)
    if mutant is not None:
        (copy / mutant.path).write_text(mutant.text(PACKAGE))
    paths = os.pathsep.join([str(folder), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.mutants.hunt", str(built), mutant.near if mutant else ""],
        env=os.environ | {"PYTHONPATH": paths}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert str(found["package"]).startswith(str(copy))
    return found


@pytest.mark.nightly
@pytest.mark.parametrize("mutant", [*MUTANTS, None], ids=lambda mutant: mutant.name if mutant else "none")
def test_a_mistake_is_found(
    built: Path, tmp_path: Path, mutant: Mutant | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The package as it is answers rightly all the way; each mistake gives a wrong value."""
    found = hunted(built, tmp_path, mutant)
    name = mutant.name if mutant else "none"
    with capsys.disabled():
        print(f"\n| {name} | {found['queries']} | {found['by']} | {found['query']} |\n{found['told']}")  # noqa: T201  the table of docs
        print(*found["apart"][:2], sep="\n")  # noqa: T201
    assert bool(found["query"]) == (mutant is not None)
    assert mutant is not None or not found["apart"], found["apart"]
