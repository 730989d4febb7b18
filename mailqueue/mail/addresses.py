"""An address as SMTP carries it: one rule for the caller and the worker.

Python's parser reads what RFC 5322 has, and calls a good part of it defective. Which of that is
carried all the same, because any reader understands it, is decided here.
"""

import re
from dataclasses import dataclass
from email.errors import InvalidHeaderDefect, ObsoleteHeaderDefect
from email.headerregistry import AddressHeader
from typing import Any

from django.utils.encoding import force_str, punycode

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"  # names in use have underscores
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[A-Za-z0-9.:-]+\]")
# RFC 5321 section 4.1.2, and RFC 6531 section 3.3
# Said by what it has not: to name the rest of Unicode takes six milliseconds to compile.
_UNICODE_ATOM = r"[^\x00-\x20\"(),.:;<>@\[\\\]\x7f]+"
_DOT_STRING = re.compile(rf"{_UNICODE_ATOM}(?:\.{_UNICODE_ATOM})*")

# "jo@example.test", perhaps behind a name of plain words or in quotes: nearly all addresses are so,
# and Python's parser takes longer for one than SMTP for the mail.
_PLAIN = re.compile(
    r"(?P<name>(?:[\w'-][\w.'-]*(?: [\w.'-]+)*"
    r"|\"[^\"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*\") <)?"
    rf"(?P<spec>{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*)"
    r"(?(name)>)"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 2047 has none in an address, and Python decodes it all the same.
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?]*\?=", re.IGNORECASE)
# IDNA 2003 makes other letters of them, or nothing; 2008 does not: two domains, with two owners.
_DEVIATIONS = re.compile("[\u00df\u03c2\u200c\u200d]")

LONGEST_NAME = 998  # characters with the name; RFC 5322 section 2.1.1 has no longer line
LONGEST = 498  # octets; a command has 512 (RFC 5321 section 4.5.3.1.4)
DOTS = (  # in a local part, that quotes set right
    "invalid repeated '.'",
    "Invalid leading '.' in local part",
    "Invalid trailing '.' in local part",
    "local-part is not dot-atom, quoted-string, or obs-local-part",
)


class AddressError(ValueError):
    """What SMTP cannot carry as an address; ``reason`` says why, without the address."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"Invalid address {text!r}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class _Mailbox:
    name: str
    local: str
    domain: str | None
    old: bool  # written as RFC 5322 section 4 has it, or a local part whose dots need quotes


def addr_spec(address: Any, *, force_ascii: bool = True) -> str:
    """Return the addr-spec (RFC 5322 section 3.4.1) of `address`, its domain in IDNA.

    Raise `AddressError`, a ValueError, if it is not one address, or could not be sent without
    SMTPUTF8. With ``force_ascii=False`` take what SMTPUTF8 takes, and leave it as it is.
    """
    try:
        text = force_str(address)
    except UnicodeDecodeError:
        raise AddressError("", "bytes that are not UTF-8") from None
    if len(text) <= LONGEST and "=?" not in text and (plain := _PLAIN.fullmatch(text)):
        return plain["spec"]
    if len(text) > LONGEST_NAME:
        raise AddressError(f"{text[:20]}…", f"longer than {LONGEST_NAME} characters")
    mailbox = _parsed(text)
    try:
        spec = _written(mailbox, force_ascii=force_ascii)
    except ValueError as error:
        raise AddressError(text, str(error)) from None
    if len(spec.encode()) > LONGEST:
        raise AddressError(text, f"longer than {LONGEST} octets (RFC 5321 4.5.3.1.4)")
    return spec


def idna(domain: str) -> str:
    """Return a domain in ASCII; raise ValueError if that is none.

    The mapping of IDNA makes ``>`` and ``@`` of their full-width forms.
    """
    if not domain.isascii():
        if _DEVIATIONS.search(domain):
            raise ValueError("its domain is one by IDNA 2003 and another by IDNA 2008")
        try:
            domain = punycode(domain)
        except UnicodeError:
            raise ValueError("its domain has no form in IDNA") from None
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("its domain is not one (RFC 5321 4.1.2)")
    return domain


def modern(address: str) -> str:
    """Return an address that is written in an old way as it is written today.

    A reader has to understand periods in a name without quotes, comments and blanks between the
    parts, and routes; a writer may not write them (RFC 5322 section 4). What cannot be read, and
    what is written well, is returned as it is.
    """
    plain = None if "=?" in address else _PLAIN.fullmatch(address)
    if plain and (not plain["name"] or plain["name"].startswith('"') or "." not in plain["name"]):
        return address
    try:
        mailbox = _parsed(address)
    except AddressError:
        return address
    if not mailbox.old:
        return address
    spec = _local(mailbox.local) + (f"@{mailbox.domain}" if mailbox.domain else "")
    return f"{_quoted(mailbox.name)} <{spec}>" if mailbox.name else spec


def _parsed(text: str) -> _Mailbox:
    if _CONTROL.search(text):
        raise AddressError(text, "a control character or a line break")
    if _ENCODED_WORD.search(text.rpartition("<")[2]):
        raise AddressError(text, "an encoded word that is no name")
    try:
        parsed = AddressHeader.value_parser(text)
        found = parsed.all_defects
    except Exception:  # noqa: BLE001 (it fails in many ways: HeaderParseError, IndexError, TypeError)
        raise AddressError(text, "cannot be parsed") from None
    mailboxes = [each for each in parsed.all_mailboxes if hasattr(each, "local_part")]
    local = (mailboxes[0].local_part or "") if len(mailboxes) == 1 else ""
    dots = DOTS if _DOT_STRING.fullmatch(local.replace(".", "")) else ()
    old = [each for each in found if isinstance(each, ObsoleteHeaderDefect) or str(each) in dots]
    defects = [
        each
        for each in found
        if each not in old
        # "webmaster" is fine, see Django's ticket 15042. Valid with SMTPUTF8, see
        # github.com/python/cpython/issues/81074: asked below.
        and not str(each).startswith(("addr-spec local part with no domain", "local-part contain"))
    ]
    if defects or not local:
        raise AddressError(text, _reason(text, len(mailboxes), defects))
    return _Mailbox(mailboxes[0].display_name or "", local, mailboxes[0].domain, bool(old))


def _reason(text: str, mailboxes: int, defects: list[Any]) -> str:
    name = re.sub(r'"(?:[^"\\]|\\.)*"', "", text).partition("<")[0]
    if not text.strip():
        return "empty"
    if text.strip() == "<>":
        return "the empty reverse-path of a bounce"
    if "<" in text and "," in name:
        return "a comma outside of quotes"
    if ":" in name:
        return "a colon outside of quotes"
    if mailboxes > 1:
        return "must be a single address"
    if "<" in text and (found := sorted(set("@;[]()\\") & set(name))):
        return f"{found[0]} outside of quotes"
    domain = text.rpartition("@")[2].strip().rstrip(">")
    if "@" in text and not _DOMAIN.fullmatch(domain):
        return "its domain is not one (RFC 5321 4.1.2)"
    texts = {str(each) for each in defects if type(each) is InvalidHeaderDefect}
    return "; ".join(sorted(texts)) or "cannot be parsed"


def _written(mailbox: _Mailbox, *, force_ascii: bool) -> str:
    local, domain = mailbox.local, mailbox.domain
    if force_ascii and not local.isascii():
        raise ValueError("local-part contains non-ASCII characters")
    if not local.isprintable():
        raise ValueError("an invisible character")
    if domain is None:
        if not local.isascii():
            raise ValueError("no domain")
        return _local(local)
    ascii_domain = idna(domain)
    return f"{_local(local)}@{ascii_domain if force_ascii else domain}"


def _local(local: str) -> str:
    return local if _DOT_STRING.fullmatch(local) else _quoted(local)


def _quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
