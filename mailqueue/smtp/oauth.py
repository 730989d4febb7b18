"""AUTH with an access token: OAUTHBEARER (RFC 7628), and XOAUTH2, which came before it."""

import smtplib
from collections.abc import Callable
from dataclasses import dataclass

from mailqueue.mail.exceptions import InvalidMailer


def login(client: smtplib.SMTP, username: str, token: Callable[[], str]) -> None:
    """Authenticate by the token that `token` returns now; it is not kept.

    Raises what `token` raises, SMTPNotSupportedError if the server offers neither mechanism, and
    SMTPAuthenticationError.
    """
    client.ehlo_or_helo_if_needed()
    offered = client.esmtp_features.get("auth", "").upper().split()
    for mechanism, say in ("OAUTHBEARER", _oauthbearer), ("XOAUTH2", _xoauth2):
        if mechanism in offered:
            client.auth(mechanism, _Answers(*say(username, _checked(token()))))
            return
    raise smtplib.SMTPNotSupportedError("The server offers neither OAUTHBEARER nor XOAUTH2.")


@dataclass(frozen=True, slots=True, repr=False)
class _Answers:
    """What to say first, and to the challenge that brings an error, before its 535."""

    first: str
    then: str

    def __call__(self, challenge: bytes | None = None) -> str:
        return self.first if challenge is None else self.then


def _oauthbearer(username: str, token: str) -> tuple[str, str]:
    name = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
    return f"n,a={name},\x01auth=Bearer {token}\x01\x01", "\x01"


def _xoauth2(username: str, token: str) -> tuple[str, str]:
    return f"user={username}\x01auth=Bearer {token}\x01\x01", ""


def _checked(token: object) -> str:
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise InvalidMailer(f"'oauth_token' must return a token, got {type(token).__name__}.")
    return token
