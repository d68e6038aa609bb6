"""Dagster's history on a real PostgreSQL, configured as deploy/dagster.yaml says."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.build import build_lakes
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "only-for-this-test"


def program(name: str) -> str:
    """The path of a program of PostgreSQL; Debian keeps them out of PATH."""
    found = shutil.which(name) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        pytest.skip(f"no PostgreSQL here ({name} is absent): apt-get install postgresql")
    return found


def unprivileged() -> dict[str, str]:
    """Whom to run PostgreSQL as: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": next(name for name in ("postgres", "nobody") if name in names)}


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A PostgreSQL of its own with the user and the database of deploy/dagster.yaml; gives its port."""
    pytest.importorskip("dagster_postgres", reason="the extra goe-lake[postgres] is not installed")
    folder = tmp_path_factory.mktemp("postgres")
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    data.mkdir()
    initdb, server = program("initdb"), program("postgres")
    who = unprivileged()
    if who:
        # the folders above are closed to everybody but root
        for path in (data, secret):
            shutil.chown(path, who["user"])
        for path in (folder, *folder.parents):
            if (
                path.stat().st_uid == os.geteuid()
                and path.is_relative_to(Path("/tmp"))
                and path != Path("/tmp")
            ):
                path.chmod(path.stat().st_mode | 0o011)
    made = [initdb, "--pgdata", str(data), "--username", "dagster", "--auth", "scram-sha-256", "--no-sync"]
    subprocess.run([*made, "--pwfile", str(secret)], check=True, capture_output=True, cwd="/", **who)
    port = free_port()
    command = [server, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", ""]
    with (tmp_path_factory.mktemp("log") / "postgres.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **who)
    try:
        ready = [program("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "30", "-q"]
        for _ in range(60):
            if subprocess.run(ready, check=False).returncode == 0:
                break
        create = [program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster"]
        subprocess.run(create, check=True, env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True)
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_a_build_is_kept_in_postgres(
    postgres: int, node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The instance of docker-compose.yml at another address: run, partitions and checks are in it."""
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD", PASSWORD)
    settings = yaml.safe_load((REPOSITORY / "deploy" / "dagster.yaml").read_text())
    settings["storage"]["postgres"]["postgres_db"] |= {"hostname": "127.0.0.1", "port": postgres}
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    (built,) = build_lakes([node], home)
    assert built.failure is None
    assert not list(home.rglob("*.db"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        (run,) = instance.get_runs()
        assert (run.run_id, run.status) == (built.run_id, dg.DagsterRunStatus.SUCCESS)
        assert instance.get_materialized_partitions(dg.AssetKey("contig_parquet")) == {"chr2|EE", "chrX|EE"}
        key = dg.AssetCheckKey(dg.AssetKey("contig_parquet"), "record_parity")
        assert instance.get_latest_asset_check_evaluation_record(key) is not None
