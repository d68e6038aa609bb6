"""Keys of sealed sums in federation.toml, their renewal, and the signature of the file."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from goe_lake.cli import main
from goe_lake.config import read_node
from goe_lake.errors import ConfigError
from goe_lake.federation.identity import Identity
from goe_lake.federation.keys import FederationKeys, make_federation_keys
from goe_lake.federation.ledger import Kind, Ledger, Record
from goe_lake.federation.membership import read_federation
from goe_lake.federation.node_service import NodeService
from goe_lake.federation.sealed_sums import new_nonce
from goe_lake.federation.sealing import Agreement, SealBroken, open_sum
from goe_lake.federation.sealing_keys import keys_on, sealer_of
from goe_lake.federation.signed import PINNED, check_vouched, sign_federation, signature_of
from tests.federation.nodes import build_nodes
from tests.services.running import prepare

NODES = [(f"GOE-{code}-NODE-1", code, f"{code.lower()}.example", 8443) for code in ("FI", "EE", "LV")]
TODAY = datetime.now(UTC).date()


@pytest.fixture
def keys(tmp_path: Path) -> FederationKeys:
    """A federation of three nodes."""
    return make_federation_keys(tmp_path / "keys", NODES)


def test_keys_of_the_file_seal_and_open(keys: FederationKeys):
    """Each node has its private half in its folder and the public ones from the file."""
    membership = read_federation(keys.federation)
    used = keys_on(membership, TODAY)
    assert [key.node_id for key in used] == ["GOE-EE-NODE-1", "GOE-FI-NODE-1", "GOE-LV-NODE-1"]
    agreement = Agreement("question", membership.digest, "nonce", used, 2)
    sealed = []
    for member in membership.nodes:
        sealer = sealer_of(member, membership, Identity(member.node_id, keys.nodes[member.node_id]))
        assert sealer is not None
        sealed.append(sealer.seal(np.array([1, 10], dtype=np.uint64), agreement))
    assert open_sum(sealed, agreement).tolist() == [3, 30]


def test_a_key_is_renewed_while_the_old_one_is_valid(
    keys: FederationKeys, capsys: pytest.CaptureFixture[str]
):
    """The lines that the command prints go into the file; from its first day the new key is used."""
    member = "GOE-LV-NODE-1"
    main(["node", "sealing-key", str(keys.nodes[member]), "--id", "2", "--days", "10"])
    lines = capsys.readouterr().out
    keys.federation.write_text(f"{keys.federation.read_text()}\n{lines}")
    membership = read_federation(keys.federation)
    begun, before = TODAY, TODAY - timedelta(days=2)
    assert {key.node_id: key.key_id for key in keys_on(membership, begun)}[member] == "2"
    assert {key.node_id: key.key_id for key in keys_on(membership, TODAY + timedelta(days=11))}[member] == "1"
    with pytest.raises(SealBroken, match="GOE-EE-NODE-1 has no sealing key"):
        keys_on(membership, before)
    identity = Identity(member, keys.nodes[member])
    assert sealer_of(membership.node(member), membership, identity) is not None
    with pytest.raises(SystemExit):
        main(["node", "sealing-key", str(keys.nodes[member]), "--id", "2"])
    assert "choose another id" in capsys.readouterr().err


def test_a_key_that_is_not_the_files_is_refused(keys: FederationKeys):
    """A private key of another pair would seal what nobody opens."""
    ee, fi = keys.nodes["GOE-EE-NODE-1"], keys.nodes["GOE-FI-NODE-1"]
    (ee / "sealing-1.key").write_bytes((fi / "sealing-1.key").read_bytes())
    membership = read_federation(keys.federation)
    with pytest.raises(ConfigError, match="not the private half"):
        sealer_of(membership.node("GOE-EE-NODE-1"), membership, Identity("GOE-EE-NODE-1", ee))
    (ee / "sealing-1.key").write_bytes((ee / "signing.key").read_bytes())
    with pytest.raises(ConfigError, match="not an X25519 key"):
        sealer_of(membership.node("GOE-EE-NODE-1"), membership, Identity("GOE-EE-NODE-1", ee))


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ('valid_from  = "', 'valid_from  = "x', "valid_from"),
        ('valid_from  = "2', 'valid_from  = "9', "valid_until"),
        ('public_key  = "', 'public_key  = "AAAA', "public_key"),
        ('id          = "1"', 'id          = "a b"', "id"),
    ],
)
def test_complaints_name_the_setting(keys: FederationKeys, old: str, new: str, setting: str):
    """What is wrong with a sealing key is said where it stands."""
    text = keys.federation.read_text()
    assert old in text
    keys.federation.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=rf"sealing_keys\[1\]\.{setting}"):
        read_federation(keys.federation)


def test_a_changed_file_is_not_vouched_for(keys: FederationKeys):
    """Whoever pinned the signer takes no other file: not a changed one, an unsigned one, or another's."""
    folder = keys.nodes["GOE-EE-NODE-1"]
    identity = Identity("GOE-EE-NODE-1", folder)
    check_vouched(read_federation(keys.federation), identity)
    text = keys.federation.read_text()
    keys.federation.write_text(text.replace("min_persons = 10", "min_persons = 1"))
    with pytest.raises(ConfigError, match=r"is of another federation\.toml"):
        check_vouched(read_federation(keys.federation), identity)
    sign_federation(keys.federation, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ConfigError, match="is not a signature by"):
        check_vouched(read_federation(keys.federation), identity)
    signature_of(keys.federation).unlink()
    with pytest.raises(ConfigError, match="is not there"):
        check_vouched(read_federation(keys.federation), identity)
    (folder / PINNED).unlink()
    check_vouched(read_federation(keys.federation), identity)  # nothing is pinned: a warning


def test_the_keeper_of_the_federation_signs(keys: FederationKeys, tmp_path: Path):
    """By one command, with a key that anybody can make."""
    private = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "federation.key").write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    folder = keys.nodes["GOE-EE-NODE-1"]
    (folder / PINNED).write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    keys.federation.write_text(
        keys.federation.read_text().replace("version     = 1", "version = 1\nserial = 2")
    )
    main(["federation", "sign", str(keys.federation), "--key", str(tmp_path / "federation.key")])
    membership = read_federation(keys.federation)
    assert membership.serial == 2
    check_vouched(membership, Identity("GOE-EE-NODE-1", folder))
    with pytest.raises(SystemExit):
        main(["federation", "sign", str(keys.federation), "--key", str(folder / "sealing-1.key")])


def test_what_an_earlier_process_sealed_for_is_not_sealed_for_again(tmp_path: Path):
    """Also where the clock was set back meanwhile: the ledger knows that it was later once."""
    tomls = build_nodes(tmp_path / "nodes", dict.fromkeys(("EE", "FI", "LV"), (9,)), k=10)
    running = prepare(tmp_path, tomls)
    config = read_node(tomls[0])
    member = running.membership.node(config.node_id)

    def takes() -> bool:
        sealer = sealer_of(member, running.membership, running.identity(config.node_id))
        service = NodeService(tomls[0], running.membership, sealer)
        seat = service._seat
        assert seat is not None
        time.sleep(0.01)  # a nonce tells milliseconds
        nonce = new_nonce()
        taken = seat.takes(nonce, time.time())
        service.close()
        return taken

    assert takes()
    ahead = Ledger.open(
        config.ledger, config.lake, config.node_id, lambda: datetime.now(UTC) + timedelta(hours=1)
    )
    ahead.append(Record(Kind.SITES))
    ahead.close()
    assert not takes()
