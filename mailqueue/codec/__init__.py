"""Messages to data and back. Pure: no settings, no clock, no randomness; those are passed in.

encode, decode      a Django message
contents            what lies beside its JSON: binary contents, claim checks
preflight           errors of a message, found in the caller
mime, mime_headers  MIME objects of Python's email package
values, attributes  header values and attributes that JSON has no word for
classes             which class rendered a message, and the class that renders it so again

`docs/reference/wire.md` describes the data. What it says about one version never changes again.
"""

from mailqueue.codec.decode import Fetch as Fetch
from mailqueue.codec.decode import decode as decode
from mailqueue.codec.encode import encode as encode
