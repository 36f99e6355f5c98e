"""Signatures, against the specification's own example and against a reader of it."""

import base64
import re
import runpy
import time
from pathlib import Path

import pytest

from nas_controller.webhooks.signing import key_sha256, shown, signed_headers, signing_key
from tests.nas_controller.webhook_receiver import Received

SECRET = "s" * 32


def test_the_signature_is_that_of_the_published_libraries() -> None:
    """The message with which the libraries of Standard Webhooks test themselves."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_any_change_is_seen() -> None:
    key, body = signing_key(SECRET, "w1"), b'{"type":"webhook.test"}'
    headers = signed_headers(key, "w1_test_5", 5, body)
    assert Received("/", headers, body).is_signed_with(shown(key))
    for changed in ({"webhook-id": "w1_test_6"}, {"webhook-timestamp": "6"}):
        assert not Received("/", {**headers, **changed}, body).is_signed_with(shown(key))
    assert not Received("/", headers, body + b" ").is_signed_with(shown(key))
    assert not Received("/", headers, body).is_signed_with(shown(signing_key(SECRET, "w2")))


def test_the_reader_that_the_page_shows_reads_them(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tokens-and-webhooks.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "reader.py").write_text(program, encoding="utf-8")
    is_genuine = runpy.run_path(str(tmp_path / "reader.py"))["is_genuine"]
    key, body, now = signing_key(SECRET, "w1"), b"{}", int(time.time())
    headers = signed_headers(key, "w1_test_5", now, body)
    assert is_genuine(shown(key), headers, body)
    assert not is_genuine(shown(key), headers, body + b" ")
    assert not is_genuine(shown(signing_key(SECRET, "w2")), headers, body)
    assert not is_genuine(shown(key), signed_headers(key, "w1_test_5", now - 3600, body), body), "too old"


def test_each_webhook_and_each_service_has_its_own_key() -> None:
    keys = [signing_key(secret, webhook_id) for secret in (SECRET, "t" * 32) for webhook_id in ("w1", "w2")]
    assert len(set(keys)) == len({key_sha256(key) for key in keys}) == 4
    assert {len(key) for key in keys} == {32}
    assert signing_key(SECRET, "w1") == keys[0]


def test_what_could_be_read_in_two_ways_is_not_signed() -> None:
    with pytest.raises(ValueError, match="full stop"):
        signed_headers(b"k" * 32, "w1.5", 5, b"")
