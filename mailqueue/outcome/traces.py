"""What the way of an exception tells of the place where it was raised. Pure.

The standard library raises the same classes before and after a message is taken.
"""

from itertools import pairwise
from smtplib import SMTPDataError
from traceback import walk_tb
from types import FrameType

from mailqueue.outcome.marks import ANSWER_LOST


def in_transaction(error: BaseException) -> bool:
    """Tell whether smtplib was about one message: then a lost connection may be its doing."""
    return any(_place(frame) == ("smtplib", "sendmail") for frame in _frames(error))


def in_request_head(error: BaseException) -> bool:
    """Tell whether http.client could not write the line or a header of a request.

    The address and the credentials of the mailer go there, and nothing of a message.
    """
    heads = {("http.client", "putrequest"), ("http.client", "putheader")}
    return any(_place(frame) in heads for frame in _frames(error))


def reply_lost(error: BaseException) -> bool:
    """Tell if smtplib had written the final dot and got no answer that can be read.

    Only the call that an exception came from tells that: ``q``, the quoted message, is a local of
    ``SMTP.data``.
    """
    if hasattr(error, ANSWER_LOST):
        return True
    frames = [
        frame
        for frame in _frames(error)
        if _place(frame)[0] == "smtplib" or frame.f_code.co_name == "getreply"
    ]
    for outer, inner in pairwise(frames):
        if (outer.f_code.co_name, inner.f_code.co_name) == ("data", "getreply"):
            return "q" in outer.f_locals
    last = frames[-1].f_code.co_name if frames else ""
    odd = isinstance(error, SMTPDataError) and not 400 <= error.smtp_code <= 599
    return odd and last == "sendmail"


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in walk_tb(error.__traceback__)]


def _place(frame: FrameType) -> tuple[str, str]:
    return str(frame.f_globals.get("__name__")), frame.f_code.co_name
