"""Messages to data and back. Pure: no settings, no clock, no randomness; those are passed in.

`docs/reference/wire.md` describes the data. What it says about one version never changes again.
"""

from mailqueue.wire.decode import Fetch as Fetch
from mailqueue.wire.decode import decode as decode
from mailqueue.wire.encode import encode as encode
