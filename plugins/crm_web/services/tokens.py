"""Random tokens: what is given out, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets

BYTES = 32


def new_token() -> str:
    """Return 256 random bits as text that fits into cookies and links."""
    return secrets.token_urlsafe(BYTES)


def hashed(text: str) -> bytes:
    """Return what is kept of a token; one that is random needs no salt and no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
