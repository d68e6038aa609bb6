"""Pictures of Dagster's pages and of a report, for the operator guide: `python docs/screenshots.py DIR`.

DIR is what `goe demo --once --dir DIR` left. Without Chromium nothing is taken, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOCATION = "dagster_project.definitions"
#: What is taken of Dagster: the picture's name, the page, and its size in pixels.
PAGES = {
    "lineage": (f"locations/__repository__@{LOCATION}/asset-groups/reference/lineage", (1500, 560)),
    "partitions": ("assets/released_frequencies?view=partitions&partition=chr10%7CEE", (1500, 800)),
    "check": ("assets/released_frequencies?view=checks&checkDetail=far_from_other_countries", (1500, 1300)),
}
REPORT = "frequency_differences"
#: Milliseconds of a page's own clock until the picture is taken, and seconds until a server answers.
SETTLED = 40_000
STARTS_WITHIN = 180.0
MOST_BYTES = 150_000


def main() -> int:
    """Take all pictures; 1 where one cannot be taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that goe demo --once --dir left")
    demo = parser.parse_args().demo.resolve()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    report = demo / "reports" / REPORT / "report.html"
    if browser is None:
        return complain(f"there is no Chromium here (looked for {', '.join(BROWSERS)}): no picture is taken")
    if not (demo / "dagster" / "releases").is_dir() or not report.is_file():
        return complain(f"{demo} holds no finished demo: run goe demo --once --dir {demo}")
    PICTURES.mkdir(exist_ok=True)
    pages = {"report": (report.as_uri(), (1150, 900))}
    with webserver(demo) as url:
        pages |= {name: (f"{url}/{page}", size) for name, (page, size) in PAGES.items()}
        taken = [take(browser, PICTURES / f"{name}.png", *page) for name, page in pages.items()]
    too_large = [path.name for path in taken if path.stat().st_size > MOST_BYTES]
    if too_large:
        return complain(f"above {MOST_BYTES:,} bytes: {', '.join(too_large)}")
    return 0


def complain(problem: str) -> int:
    """Say *problem*, and give the exit code for it."""
    sys.stderr.write(f"{problem}\n")
    return 1


@contextmanager
def webserver(demo: Path) -> Iterator[str]:
    """The URL of Dagster's pages about the demo, while they are served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    surroundings = {**os.environ, "DAGSTER_HOME": str(demo / "dagster"), "GOE_NODES": str(demo)}
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-m", LOCATION]
    with tempfile.TemporaryFile() as messages:
        server = subprocess.Popen(command, env=surroundings, stdout=messages, stderr=messages)  # noqa: S603
        try:
            await_answer(server, f"http://127.0.0.1:{port}/server_info")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(60)


def await_answer(server: subprocess.Popen[bytes], url: str) -> None:
    """Wait until *url* answers. Raises RuntimeError where it does not."""
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - the loopback interface
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise RuntimeError("Dagster's pages did not start")


def take(browser: str, picture: Path, url: str, size: tuple[int, int]) -> Path:
    """Take a *picture* of *url*, which is *size* pixels large."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless=new",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
            f"--virtual-time-budget={SETTLED}",
            f"--screenshot={picture}",
            # the browser's own walls do not stand where it is started by root, as in a container
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            url,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)  # noqa: S603
    sys.stdout.write(f"{picture.name}: {picture.stat().st_size:,} bytes\n")
    return picture


if __name__ == "__main__":
    sys.exit(main())
