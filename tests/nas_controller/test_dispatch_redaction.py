from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from api.access import new_secret
from nas_controller.dispatch.redaction import redacted, secrets_of
from nas_controller.webhooks.signing import shown, signing_key


def test_secrets_are_what_variables_call_so_and_passwords_in_addresses(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("in-a-file-5f2\n")
    environment = {
        "RAY_AUTH_TOKEN": "token-of-ray-1",
        "WANDB_API_KEY": "key-of-another",
        "db_password": "p4ssw0rd-long",
        "SPINESEARCH_SESSION_SECRET_FILE": str(tmp_path / "key"),
        "SPINESEARCH_TOKEN_FILE": str(tmp_path / "none"),
        "DATABASE": "postgresql://me:hunter22@host/searches",
        "SHORT_TOKEN": "on",
        "HOME": "/home/somebody",
    }
    assert secrets_of(environment) == [
        b"key-of-another",
        b"token-of-ray-1",
        b"in-a-file-5f2",
        b"p4ssw0rd-long",
        b"hunter22",
    ]


def test_a_secret_within_another_leaves_nothing_of_it() -> None:
    secrets = secrets_of({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefgh-and-more"})
    assert redacted(b"x abcdefgh-and-more y abcdefgh", secrets) == b"x ***************** y ********"


def test_addresses_and_headers_lose_their_secrets_whoever_has_them() -> None:
    text = b"GET https://me:pass@host/x Authorization: Bearer abc.DEF-1 and http://host:80/a@b"
    assert redacted(text, []) == b"GET https://me:****@host/x Authorization: Bearer ********* and http://host:80/a@b"


def test_tokens_and_keys_that_a_service_made_are_known_wherever_they_are() -> None:
    key = shown(signing_key("s" * 32, "w1"))
    for secret in (new_secret(), key):
        assert redacted(f"token={secret}; x".encode(), []) == b"token=" + b"*" * len(secret) + b"; x"
    assert redacted(b"spinesearch_home and whsec_short", []) == b"spinesearch_home and whsec_short"


@given(st.binary(max_size=200), st.lists(st.binary(min_size=8, max_size=10), max_size=3))
def test_places_in_the_text_stay_the_same(text: bytes, secrets: list[bytes]) -> None:
    changed = redacted(text, secrets)
    assert len(changed) == len(text)
    assert all(after in (before, ord("*")) for before, after in zip(text, changed, strict=True))
