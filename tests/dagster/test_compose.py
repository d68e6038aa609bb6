"""The containers: what docker-compose.yml promises, as far as that can be held without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml
from dagster._cli import create_dagster_cli

from goe_lake.cli import app
from goe_lake.config import read_node

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
PASSWORD = "DAGSTER_POSTGRES_PASSWORD"
ONCE = {"init", "build", "ask"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file, with its anchors resolved."""
    return yaml.safe_load(COMPOSE.read_text())


def commands(compose: dict[str, Any], program: str) -> Iterator[tuple[str, list[str]]]:
    """The services that run *program*, with its arguments."""
    for name, service in compose["services"].items():
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        if words[:1] == [program]:
            yield name, words[1:]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The ended process of *command*, with *environment* in place of the password that may be set here."""
    kept = {name: value for name, value in os.environ.items() if name != PASSWORD}
    return subprocess.run(command, check=False, env=kept | environment, capture_output=True, text=True)


def test_the_client_accepts_the_file():
    """`docker compose config` reads the file, and refuses it while no password is set."""
    if not shutil.which("docker") or run("docker", "compose", "version").returncode:
        pytest.skip("no docker compose client here")
    config = ["docker", "compose", "--env-file", os.devnull, "-f", str(COMPOSE), "--profile", "ask", "config"]
    accepted = run(*config, "--quiet", **{PASSWORD: "x"})
    assert accepted.returncode == 0, accepted.stderr
    refused = run(*config, "--quiet")
    assert refused.returncode != 0
    assert PASSWORD in refused.stderr


def test_every_service_is_confined(compose: dict[str, Any]):
    """No service is root, writes to its own image, keeps a capability, or gains one."""
    for name, service in compose["services"].items():
        assert service["user"] not in ("", "0", "root"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name


def test_every_service_that_stays_is_watched(compose: dict[str, Any]):
    """What runs on says how it is and comes back when it ends; what runs once does not."""
    for name, service in compose["services"].items():
        if name in ONCE:
            assert service["restart"] == "no", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_no_password_stands_in_the_file(compose: dict[str, Any]):
    """Every password comes from outside, and without it nothing starts."""
    found = [
        value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]
    assert len(found) >= 4
    assert all(value.startswith(f"${{{PASSWORD}:?") for value in found)


def test_only_loopback_is_published(compose: dict[str, Any]):
    """Dagster asks for no password and the demo's keys are throw-away, so neither is offered to a network."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:8443:8443"]


def test_a_node_sees_its_own_files_and_keys(compose: dict[str, Any]):
    """The lake of one country is not in the reach of another's service; keys are for reading."""
    nodes = {name: service for name, service in compose["services"].items() if name.startswith("node-")}
    assert len(nodes) == 5
    for name, service in nodes.items():
        code = name.removeprefix("node-")
        assert service["volumes"] == [f"{code}:/data/nodes/{code}", f"keys-{code}:/keys/{code}:ro"]
        assert service["networks"] == ["federation"]
        assert name in service["healthcheck"]["test"]
    assert compose["networks"]["federation"]["internal"] is True


def test_what_is_mounted_exists(compose: dict[str, Any]):
    """Files come from the repository, and volumes are declared."""
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (REPOSITORY / source).is_file(), (name, source)
            else:
                assert source in compose["volumes"], (name, source)


def test_the_image_has_the_folders_that_volumes_are_mounted_on(compose: dict[str, Any]):
    """A new volume belongs to the user of the image only where the image has its folder."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    codes = re.search(r"for node in ([a-z ]+);", dockerfile)
    assert codes
    known = {"/dagster", "/keys/gateway"}
    known |= {f"/{kind}/{code}" for kind in ("data/nodes", "keys") for code in codes[1].split()}
    used = {
        volume.split(":")[1]
        for service in compose["services"].values()
        if service["image"] == "goe-lake:local"
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == known
    assert "USER goe" in dockerfile
    assert "HEALTHCHECK" in dockerfile


def test_goe_understands_its_commands(compose: dict[str, Any]):
    """Every option that a service gives to `goe` is one that `goe` has."""
    found = dict(commands(compose, "goe"))
    assert len(found) == 7
    for name, arguments in found.items():
        parse(typer.main.get_command(app), arguments, name)


def test_dagster_understands_its_commands(compose: dict[str, Any]):
    """Every option that a service gives to `dagster` is one that `dagster` has."""
    found = dict(commands(compose, "dagster"))
    assert list(found) == ["dagster-code"]
    for name, arguments in found.items():
        parse(create_dagster_cli(), arguments, name)


def parse(command: click.Command, arguments: list[str], name: str) -> None:
    """Read *arguments* as the command line would, and run nothing."""
    while isinstance(command, click.Group):
        word, *arguments = arguments
        found = command.get_command(click.Context(command), word)
        assert found is not None, (name, word)
        command = found
    command.make_context(name, list(arguments))


def test_the_workspace_names_the_service_that_serves_it(compose: dict[str, Any]):
    """Webserver and daemon look for the code where it listens."""
    (location,) = yaml.safe_load((REPOSITORY / "deploy" / "workspace.yaml").read_text())["load_from"]
    server = location["grpc_server"]
    arguments = compose["services"][server["host"]]["command"]
    assert arguments[arguments.index("--port") + 1] == str(server["port"])
    assert arguments[arguments.index("--location-name") + 1] == server["location_name"]
    assert arguments[arguments.index("--module-name") + 1] == "dagster_project.definitions"


def test_the_instance_reports_nothing_and_takes_its_password_from_outside():
    """Telemetry is off, and the database password is named and not written."""
    instance = yaml.safe_load((REPOSITORY / "deploy" / "dagster.yaml").read_text())
    assert instance["telemetry"] == {"enabled": False}
    assert instance["nux"] == {"enabled": False}
    assert instance["storage"]["postgres"]["postgres_db"]["password"] == {"env": PASSWORD}


def test_the_demo_makes_nodes_and_gives_each_its_own_keys(tmp_path: Path):
    """Each member gets its private key and no other's; started again, nothing changes."""
    nodes, keys = tmp_path / "nodes", tmp_path / "keys"
    for code in ("ee", "fi"):
        (nodes / code).mkdir(parents=True)
        (keys / code).mkdir(parents=True)
    (keys / "gateway").mkdir()
    command = [
        sys.executable,
        str(REPOSITORY / "deploy" / "init_demo.py"),
        "--countries",
        "EE,FI",
        "--persons",
        "20",
    ]
    command += ["--nodes", str(nodes), "--keys", str(keys)]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    assert read_node(nodes / "fi" / "node.toml").country == "FI"
    private = {path.relative_to(keys).as_posix() for path in keys.rglob("signing.key")}
    assert private == {
        "ee/GOE-EE-NODE-1/signing.key", "fi/GOE-FI-NODE-1/signing.key", "gateway/GOE-GATEWAY-1/signing.key"
    }  # fmt: skip
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert again.stdout.count("are there") == 2
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
