"""AUTH with a user name and a password (RFC 4954), in UTF-8 where smtplib knows ASCII alone."""

import base64
import binascii
import hmac
import smtplib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

MECHANISMS = ("CRAM-MD5", "PLAIN", "LOGIN")  # best first, as smtplib has them
MOST_CHALLENGES = 5

if TYPE_CHECKING:
    _SMTP = smtplib.SMTP
else:
    _SMTP = object


class Authentication(_SMTP):
    """Mixed into smtplib's classes.

    Raises SMTPAuthenticationError and, for a dialogue that does not come to an end, the bare
    SMTPException.
    """

    user: str
    password: str

    def login(
        self, user: str, password: str, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Try each mechanism that is offered, until one is accepted or the server hangs up."""
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("auth"):
            raise smtplib.SMTPNotSupportedError("SMTP AUTH extension not supported by server.")
        self.user, self.password = user, password
        offered = self.esmtp_features["auth"].upper().split()
        refused: smtplib.SMTPException | None = None
        for mechanism in filter(offered.__contains__, MECHANISMS):
            answer = getattr(self, f"auth_{mechanism.lower().replace('-', '_')}")
            try:
                return self.auth(mechanism, answer, initial_response_ok=initial_response_ok)
            except smtplib.SMTPAuthenticationError as error:
                refused = error
                if error.smtp_code < 500:
                    break  # not now: another mechanism would get the same
            except OSError as error:
                if refused is None or isinstance(error, TimeoutError):
                    raise
                break  # the answer was the 535; then it hung up
        raise refused or smtplib.SMTPException("No suitable authentication method found.")

    def auth(
        self,
        mechanism: str,
        authobject: Callable[..., str | None],
        *,
        initial_response_ok: bool = True,
    ) -> tuple[int, bytes]:
        """Run the dialogue of one mechanism."""
        self._auth_challenge_count = 0
        first = authobject() if initial_response_ok else None
        if first is not None:
            self._auth_challenge_count = 1
        say = "" if first is None else f" {_encoded(first) or '='}"  # RFC 4954 section 4
        code, text = self.docmd("AUTH", f"{mechanism.upper()}{say}")
        while code == 334:
            self._auth_challenge_count += 1
            if self._auth_challenge_count > MOST_CHALLENGES:
                raise smtplib.SMTPException("AUTH: expected an end, got challenges")
            code, text = self.docmd(_encoded(authobject(_decoded(text)) or ""))
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, text)
        return code, text

    def auth_cram_md5(self, challenge: Any = None) -> Any:
        """Answer by a digest of the password (RFC 2195); None as the first response."""
        if challenge is None:
            return None
        try:
            digest = hmac.new(self.password.encode(), challenge, "md5").hexdigest()
        except ValueError as error:  # a Python of FIPS has no MD5
            raise smtplib.SMTPAuthenticationError(504, b"no MD5 here") from error
        return f"{self.user} {digest}"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _decoded(challenge: bytes) -> bytes:
    try:
        return base64.b64decode(challenge)
    except binascii.Error:
        return challenge  # some ask for "Username:" in plain words
