"""Signatures as Standard Webhooks has them (specification 1.0.0, "Signature scheme", symmetric).

What is signed is `id.timestamp.body`. The key is derived from the service's session secret and the webhook's id: it is
in no database, and each webhook has its own.
"""

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def signing_key(session_secret: str, webhook_id: str) -> bytes:
    """The 32 bytes with which messages of a webhook are signed."""
    return hmac.new(session_secret.encode(), f"webhook.{webhook_id}".encode(), hashlib.sha256).digest()


def shown(key: bytes) -> str:
    """The key as a receiver is told it."""
    return PREFIX + base64.b64encode(key).decode()


def key_sha256(key: bytes) -> str:
    """What is stored of a key: it cannot be derived from that, and is known again by it."""
    return hashlib.sha256(key).hexdigest()


def signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message.

    Args:
        message_id: has no full stop in it: what is signed could be read in two ways.
        timestamp: of the attempt, in seconds since 1970.
    """
    if "." in message_id:
        raise ValueError(f"message id {message_id!r}: must have no full stop")
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
