"""Which addresses SMTP carries, and as what."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailqueue.mail import addresses
from mailqueue.mail.addresses import AddressError, addr_spec, idna, modern

CARRIED = [
    # address, what goes into the envelope
    ("ann@example.com", "ann@example.com"),
    ("webmaster", "webmaster"),
    ("<ann@example.com>", "ann@example.com"),
    ("ann@example.com (Ann)", "ann@example.com"),
    ("Shop Inc. <shop@example.com>", "shop@example.com"),
    ("Dr. No <no@example.com>", "no@example.com"),
    ("Müller & Co. KG <m@example.com>", "m@example.com"),
    ("O'Hara Jr. (Bob) <o@example.com>", "o@example.com"),
    ('"Shop, Inc." <shop@example.com>', "shop@example.com"),
    ("=?utf-8?q?J=C3=B6?= <jo@example.com>", "jo@example.com"),
    ("ann . b@example.com", "ann.b@example.com"),
    ("<@a.test,@b.test:c@example.com>", "c@example.com"),
    ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
    ('"a b"@example.com', '"a b"@example.com'),
    ('"a\\"b"@example.com', '"a\\"b"@example.com'),
    # Some operators gave out such names; Django 5.2, too, puts them in quotes.
    ("ann..b@docomo.ne.jp", '"ann..b"@docomo.ne.jp'),
    ("ann.@docomo.ne.jp", '"ann."@docomo.ne.jp'),
    ('"ann..b"@docomo.ne.jp', '"ann..b"@docomo.ne.jp'),
    ("ann@büro.example", "ann@xn--bro-hoa.example"),
    ("ann@my_host.example", "ann@my_host.example"),
]
REFUSED = [
    # address, part of the reason
    ("Shop, Inc. <shop@example.com>", "a comma outside of quotes"),
    ("Lee, Kevin <lee@example.com>", "a comma outside of quotes"),
    ("Shop: Berlin <shop@example.com>", "a colon outside of quotes"),
    ("mailto:ann@example.com", "a colon outside of quotes"),
    ("undisclosed-recipients:;", "a colon outside of quotes"),
    ("Shop @ Home <shop@example.com>", "@ outside of quotes"),
    ("ann@example.com <ann@example.com>", "@ outside of quotes"),
    ("Shop [test] <shop@example.com>", "[ outside of quotes"),
    ("Shop; Co <shop@example.com>", "; outside of quotes"),
    ("ann@example.com, ben@example.com", "must be a single address"),
    ("\ufeffann@example.com", "non-ASCII"),
    ("ann@exa mple.com", "its domain is not one"),
    ("ann@example.com.", "its domain is not one"),
    ("ann@example..com", "its domain is not one"),
    ("ann@-example.com", "its domain is not one"),
    ("ann@" + "a" * 64 + ".com", "its domain is not one"),
    ("<>", "reverse-path"),
    ("", "empty"),
    (" ", "empty"),
    ("@example.com", ""),
    ("ann@", ""),
    ("a@b@example.com", ""),
    ("Ann <ann@example.com", "missing trailing '>'"),
    ("ann@example.com\nRCPT TO:<x@example.com>", "a control character or a line break"),
    ("ann@example.com\u2028", "a control character or a line break"),
    # The mapping of IDNA makes ASCII of full-width forms.
    ("a@evil.test\uff1e", "its domain is not one"),
    ("a@evil.test\uff1e\u3000NOTIFY=NEVER\u3000\uff1cx", "its domain is not one"),
    ("a@ev\uff20il.test", "its domain is not one"),
    ("a@evil.test\uff0cb", "its domain is not one"),
    ("a@evil.test\uff1b", "its domain is not one"),
    ("=?utf-8?q?foo?=@example.com", "an encoded word"),
    ("ann@=?utf-8?q?example.com?=", "an encoded word"),
    ('"=?utf-8?q?x=22?=" <a@example.com>', "encoded word inside quoted string"),
    ('"\ud800" <a@example.com>', "a control character"),
    ("ann@straße.example", "by IDNA 2003 and another"),
    ("ann@a\u200db.example", "by IDNA 2003 and another"),
    ("jö@example.com", "non-ASCII"),
    ("a" * 500 + "@example.com", "longer than 498 octets"),
    ("n" * 1000 + " <a@example.com>", "longer than 998 characters"),
    ("(" * 900 + "a@example.com", ""),
]


def test_what_an_atom_has():
    atext = {*string.ascii_letters, *string.digits, *"!#$%&'*+-/=?^_`{|}~"}  # RFC 5322 3.2.3
    atom = addresses._DOT_STRING.fullmatch
    assert set(filter(atom, map(chr, range(128)))) == atext
    assert all(map(atom, "\x80é\u2028\uffff\U0010ffff"))  # RFC 6531


@pytest.mark.parametrize(("address", "expected"), CARRIED)
def test_what_smtp_carries(address, expected):
    assert addr_spec(address) == expected


@pytest.mark.parametrize(("address", "reason"), REFUSED)
def test_what_smtp_does_not_carry(address, reason):
    with pytest.raises(AddressError) as raised:
        addr_spec(address)
    assert reason in raised.value.reason
    assert "example" not in raised.value.reason


def test_bytes_that_are_no_text():
    with pytest.raises(AddressError, match="bytes that are not UTF-8") as raised:
        addr_spec(b"\xffann@example.com")
    assert "ann" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("jö@exämple.com", "jö@exämple.com"), ("Jo <jö@example.com>", "jö@example.com")],
)
def test_what_it_carries_with_smtputf8(address, expected):
    assert addr_spec(address, force_ascii=False) == expected


@pytest.mark.parametrize(
    "address", ["\ufeffann@example.com", "an\u200bn@example.com", "ö\u202e@a.test"]
)
def test_what_nobody_sees_is_no_name(address):
    with pytest.raises(AddressError, match="an invisible character"):
        addr_spec(address, force_ascii=False)


@given(st.from_regex(addresses._PLAIN, fullmatch=True), st.booleans())
def test_an_address_that_is_not_parsed_comes_out_as_if_it_were(address, force_ascii):
    quick = addr_spec(address, force_ascii=force_ascii)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(addresses, "_PLAIN", addresses.re.compile("(?!)"))
        assert addr_spec(address, force_ascii=force_ascii) == quick


@pytest.mark.parametrize(
    "address",
    ["a@b@c", "a b <c@d", "a b c@d>", "a@b, c@d", "a@b\n", "a@b\r\nc", "a..b@c", "a@", "@b"],
)
def test_others_are_parsed(address):
    assert not addresses._PLAIN.fullmatch(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Shop Inc. <shop@example.com>", '"Shop Inc." <shop@example.com>'),
        ("Müller & Co. KG <m@example.com>", '"Müller & Co. KG" <m@example.com>'),
        ("O'Hara Jr. (Bob) <o@example.com>", '"O\'Hara Jr." <o@example.com>'),
        ("ann . b@example.com", "ann.b@example.com"),
        ("ann..b@docomo.ne.jp", '"ann..b"@docomo.ne.jp'),
        ("Dr. Ö. <ö@bü.test>", '"Dr. Ö." <ö@bü.test>'),
        *[
            (same, same)
            for same in ["ann", "a@b.test", "A B <a@b.test>", '"A. B" <a@b.test>', "x:;"]
        ],
        *[(address, address) for address, _ in REFUSED],
    ],
)
def test_what_is_written_in_an_old_way_is_written_anew(address, expected):
    assert modern(address) == expected


@given(
    st.text(st.sampled_from("aÖ.-' ()<>@,;:\"\\"), max_size=12).map(
        lambda name: f"{name} <ann@example.com>"
    )
)
@example('" <ann@example.com>')
def test_what_is_written_anew_is_the_same_address(address):
    try:
        spec = addr_spec(address)
    except AddressError:
        assert modern(address) == address
    else:
        assert addr_spec(modern(address)) == spec
        assert modern(modern(address)) == modern(address)


@given(st.text(max_size=20))
def test_a_domain_is_in_plain_letters_or_none(domain):
    try:
        ascii_domain = idna(domain)
    except ValueError:
        return
    assert ascii_domain.isascii()
    assert not set(ascii_domain) & set('<>@,;:"\\() ') or ascii_domain.startswith("[")
