"""Messages that Hypothesis builds come out of the wire as they went in."""

import os
import warnings
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from mailqueue.codec import decode
from mailqueue.errors import DecodeError
from tests.wire.render import data_of, frozen, renderings, through_the_wire
from tests.wire.strategies import messages

SLOW = settings(
    max_examples=int(os.environ.get("MAILQUEUE_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
REFUSALS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    LookupError,
    IndexError,
    AssertionError,
)


def try_to_render(message: Any) -> list[bytes] | None:
    """Return the renderings, or None for a message that Django itself cannot render."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return renderings(message)
    except REFUSALS as error:
        event(f"refused: {type(error).__name__}")
        return None


@SLOW
@given(messages())
def test_what_django_renders_arrives_as_it_was(message: Any) -> None:
    rebuilt = through_the_wire(message)
    expected = try_to_render(frozen(message))
    assume(expected is not None)
    assert try_to_render(rebuilt) == expected
    assert rebuilt.recipients() == [str(address) for address in message.recipients()]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@SLOW
@given(messages(), st.data())
def test_wrong_data_is_a_decode_error_or_a_message(message: Any, data: st.DataObject) -> None:
    """Any field replaced by any JSON: never a crash, for a signed payload is no trusted one."""
    damaged = data_of(message)
    place: Any = damaged
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        decode(damaged)
    except DecodeError as error:
        event(str(error).rpartition(": ")[2])
