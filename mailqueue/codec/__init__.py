"""Messages to data and back. What that needs of settings, clock and storage is passed in.

encode, decode      a Django message
common              a mail like most others, put into data at once
contents            what lies beside its JSON: binary contents, claim checks
mime, mime_headers  MIME objects of Python's email package
values              header values and attributes that JSON has no word for
attributes          what other packages set on messages, anymail's where it is installed
classes             which class rendered a message, and the class that renders it so again
identity            which Message-ID it has
preflight           errors of a message, found in the caller; it may render the message to see

`docs/reference/wire.md` describes the data. What it says about one version never changes again.
"""

from mailqueue.codec.decode import Fetch as Fetch
from mailqueue.codec.decode import decode as decode
from mailqueue.codec.encode import encode as encode
