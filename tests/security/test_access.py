"""Who a caller is, from what it shows."""

from pathlib import Path

import pytest

from tests.flat_settings import flat_settings
from xapp.config import Settings
from xapp.domain.scope import of_principal
from xapp.errors import ConfigError, Unauthenticated
from xapp.security.access import Access, Shown
from xapp.security.principal import ANONYMOUS, Principal
from xapp.security.reload import Reloaded
from xapp.security.tokens import hash_of

TOKEN = "correct-horse"


def tokens_file(folder: Path, **tokens: str) -> str:
    path = folder / "tokens.toml"
    path.write_text("".join(f'{name} = ["{hash_of(token)}"]\n' for name, token in tokens.items()))
    return str(path)


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(flat_settings(tokens_file=tokens_file(tmp_path, planner=TOKEN)))


def reason(access: Access, shown: Shown) -> str:
    with pytest.raises(Unauthenticated) as caught:
        access.identify(shown)
    assert TOKEN not in caught.value.message
    return caught.value.reason


def test_without_settings_a_caller_is_what_it_claims() -> None:
    access = Access(Settings())
    assert access.identify(Shown()) == ANONYMOUS
    assert access.identify(Shown(claim="planner")) == Principal("planner", proved=False)
    assert access.identify(Shown(authorization=["Bearer x"], claim="planner")).name == "planner"


@pytest.mark.parametrize("text", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_a_token(access: Access, text: str) -> None:
    who = access.identify(Shown(authorization=[text]))
    assert (who.name, who.proved, who.scope) == ("planner", True, of_principal("planner"))


@pytest.mark.parametrize(
    "authorization",
    [["Bearer wrong"], ["Bearer"], [""], [TOKEN], [f"Basic {TOKEN}"], [f"Bearer {TOKEN}", f"Bearer {TOKEN}"]],
)
def test_a_bad_token(access: Access, authorization: list[str]) -> None:
    assert reason(access, Shown(authorization=authorization)) == "BAD_TOKEN"
    assert reason(access, Shown(certificate="planner", authorization=authorization)) == "BAD_TOKEN"


def test_a_claim_is_no_credential(access: Access) -> None:
    assert reason(access, Shown(claim="planner")) == "NO_CREDENTIALS"


def test_a_token_counts_more_than_a_certificate(access: Access) -> None:
    both = Shown(certificate="proxy", authorization=[f"Bearer {TOKEN}"])
    assert access.identify(both).name == "planner"
    assert access.identify(Shown(certificate="proxy")).name == "proxy"


@pytest.mark.parametrize("name", ["", "x" * 129, "plan\x00ner", "plan\nner"])
def test_a_certificate_with_a_bad_name(access: Access, name: str) -> None:
    assert reason(access, Shown(certificate=name)) == "BAD_CERTIFICATE_NAME"


def test_mutual_tls_needs_a_certificate() -> None:
    access = Access(flat_settings(tls_client_ca="clients.pem"))
    assert reason(access, Shown(claim="planner", authorization=["Bearer x"])) == "NO_CREDENTIALS"
    assert access.identify(Shown(certificate="planner", authorization=["Bearer x"])).name == "planner"


async def test_a_token_is_taken_back(tmp_path: Path) -> None:
    path = tokens_file(tmp_path, planner=TOKEN)
    access = Access(flat_settings(tokens_file=path))
    shown = Shown(authorization=[f"Bearer {TOKEN}"])
    assert access.identify(shown).name == "planner"
    (tmp_path / "tokens.toml").write_text("planner = [")
    (tokens,) = access.watched
    assert isinstance(tokens, Reloaded)
    await tokens.check()
    assert access.identify(shown).name == "planner", "a broken file changes nothing"
    tokens_file(tmp_path, other="another-token")
    await tokens.check()
    assert reason(access, shown) == "BAD_TOKEN"


def test_what_is_open(tmp_path: Path) -> None:
    path = tokens_file(tmp_path, planner=TOKEN)
    assert Access(flat_settings(tokens_file=path)).is_open("health")
    assert not Access(flat_settings(tokens_file=path)).is_open("metrics")
    assert not Access(flat_settings(tokens_file=path, open="none")).is_open("health")
    assert Access(flat_settings(tokens_file=path, open="health, metrics")).is_open("metrics")
    assert Access(Settings()).is_open("reflection")


def test_bad_settings_name_their_key(tmp_path: Path) -> None:
    for settings, key in [
        (flat_settings(open="helth"), "XAPP_OPEN"),
        (flat_settings(closed="health"), "XAPP_CLOSED"),
        (flat_settings(tokens_file=str(tmp_path / "none")), "XAPP_TOKENS_FILE"),
        (flat_settings(policy_file=str(tmp_path / "none")), "XAPP_POLICY_FILE"),
    ]:
        with pytest.raises(ConfigError) as caught:
            Access(settings)
        assert caught.value.key == key


async def test_a_policy_names_methods_there_are_also_when_it_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[planner]\nmethods = ["Generat"]\n')
    access = Access(flat_settings(tokens_file=tokens_file(tmp_path), policy_file=str(path)))
    with pytest.raises(ConfigError, match="Generat"):
        access.know_methods(["Generate"])
    path.write_text('[planner]\nmethods = ["Generate"]\n')
    policy = access.watched[1]
    assert isinstance(policy, Reloaded)
    await policy.check()
    access.know_methods(["Generate"])
    path.write_text('[planner]\nmethods = ["Generatee"]\n')
    await policy.check()
    access.policy.check_method(Principal("planner"), "Generate", for_admins=False)
