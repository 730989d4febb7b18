"""Addresses that are not parsed must come out as if they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailqueue.smtp import addresses
from mailqueue.smtp.addresses import addr_spec


@given(st.from_regex(addresses._PLAIN, fullmatch=True), st.booleans())
def test_plain_addresses(address: str, force_ascii: bool) -> None:
    quick = addr_spec(address, force_ascii=force_ascii)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(addresses, "_PLAIN", addresses.re.compile("(?!)"))
        assert addr_spec(address, force_ascii=force_ascii) == quick


@pytest.mark.parametrize(
    "address",
    ["a@b@c", "a b <c@d", "a b c@d>", "a@b, c@d", "a@b\n", "a@b\r\nc", "a..b@c", "a@", "@b"],
)
def test_others_are_parsed(address: str) -> None:
    assert not addresses._PLAIN.fullmatch(address)
