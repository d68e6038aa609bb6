"""Machine code of loops is kept, checked, and loaded without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COUNT = """
import sys
if {without}:
    sys.modules["numba"] = None
import numpy as np
from goe_lake.vcf.scan_text import count_lines
print(count_lines(np.frombuffer(b"a\\nb\\n\\n", np.uint8)))
"""


def count(folder: Path, *, without: bool) -> subprocess.CompletedProcess[str]:
    """Count three lines in a process of its own that keeps machine code in *folder*."""
    return subprocess.run(
        [sys.executable, "-c", COUNT.format(without=without)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kept_code_needs_no_compiler(tmp_path: Path) -> None:
    """The first process compiles; the next has the same answer where numba cannot be imported."""
    assert count(tmp_path, without=False).stdout == "3\n"
    (kept,) = tmp_path.glob("scan_text.count_lines-*.loop")
    whole = kept.read_bytes()
    assert count(tmp_path, without=True).stdout == "3\n"
    damaged = bytearray(whole)
    damaged[-100] ^= 1
    kept.write_bytes(bytes(damaged))
    # damaged code is not run, but made anew
    assert count(tmp_path, without=False).stdout == "3\n"
    assert kept.read_bytes() != bytes(damaged)
    assert count(tmp_path, without=True).stdout == "3\n"


def test_no_code_and_no_compiler_is_an_import_error(tmp_path: Path) -> None:
    """Whoever asks for the loops hears at once that they cannot be had, and reads with cyvcf2."""
    found = count(tmp_path, without=True)
    assert "ModuleNotFoundError" in found.stderr
    assert found.returncode == 1
