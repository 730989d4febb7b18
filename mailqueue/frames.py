"""What a crash reporter sees of an error of ours: where it was raised, and no variables.

The frames of a traceback hold the variables of each function that the error came through, and
reporters send them on: in ours that is the mail, in smtplib's the password.
"""

import sys
import traceback

NOTE = "The frames within mailqueue are left out, for their variables hold mail or secrets:\n"
MOST = 20  # places in the note; the innermost ones


class Edge:
    """The edge of the package: an error leaves it without the frames that it came through.

    A note on the error has their places (PEP 678). What is above the edge is the caller's.
    """

    def __enter__(self) -> None:
        self.outside = sys.exception()  # what the caller is handling keeps its frames

    def __exit__(self, kind: object, error: BaseException | None, tb: object) -> None:
        if error is None:
            return
        if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
            places = traceback.format_tb(error.__traceback__, limit=-MOST)
            error.add_note(NOTE + "".join(places).rstrip())
        # Reporters follow the chain to what the error was raised from.
        seen: list[BaseException | None] = [None, self.outside]
        behind = [error, error.__cause__, error.__context__]
        while behind:
            each = behind.pop()
            if each is not None and each not in seen:
                each.__traceback__ = None
                seen.append(each)
                if each.__suppress_context__ and each.__context__ is not self.outside:
                    each.__context__ = None  # its text may be the reason for `from None`
                behind += [each.__cause__, each.__context__]


def place_of(error: BaseException) -> str:
    """Say what was raised and where; the text of an error may quote mail."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{place}"
