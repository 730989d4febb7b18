"""The address of a recipient as SMTP wants it."""

import re
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from typing import Any

from django.utils.encoding import force_str, punycode

# "jo@example.test", perhaps behind a name of plain words: nearly all addresses are so, and Python's
# parser takes longer for one than SMTP for the mail.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(
    rf"(?P<name>[A-Za-z0-9]+(?: [A-Za-z0-9]+)* <)?"
    rf"(?P<spec>{_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)"
    rf"(?(name)>)"
)


def addr_spec(address: Any, *, force_ascii: bool = True) -> str:
    """Return the addr-spec (RFC 5322 section 3.4.1) of `address`, its domain in IDNA.

    Raise ValueError if it is not one address, or could not be sent without SMTPUTF8. With
    ``force_ascii=False`` take what SMTPUTF8 takes, and leave it as it is.
    """
    text = force_str(address)
    if plain := _PLAIN.fullmatch(text):
        return plain["spec"]
    try:
        parsed = AddressHeader.value_parser(text)
    except (HeaderParseError, IndexError) as error:  # Python 3.11 and 3.12, for "to@"
        raise ValueError(f"Invalid address {text!r}: cannot be parsed") from error
    defects = {str(defect) for defect in parsed.all_defects}
    defects.discard("addr-spec local part with no domain")  # "webmaster" is fine, see #15042
    if not force_ascii:
        # Valid with SMTPUTF8, see github.com/python/cpython/issues/81074.
        defects.discard("local-part contains non-ASCII characters)")
    if defects:
        raise ValueError(f"Invalid address {text!r}: {'; '.join(defects)}")
    if len(parsed.all_mailboxes) != 1:
        raise ValueError(f"Invalid address {text!r}: must be a single address")
    mailbox = parsed.all_mailboxes[0]
    if force_ascii and mailbox.domain and not mailbox.domain.isascii():
        return str(Address(username=mailbox.local_part, domain=punycode(mailbox.domain)))
    return str(mailbox.addr_spec)
