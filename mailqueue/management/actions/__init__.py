"""What `manage.py mailqueue` can do: a module each, with HELP, `arguments` and `run`.

`run` gets the command, for its streams and styles, and the options that `arguments` added; it
raises CommandError.
"""

from types import ModuleType

from mailqueue.management.actions import (
    cancel,
    discard,
    doctor,
    forget,
    mails,
    pause,
    purge,
    relay,
    requeue,
    resume,
    show,
    status,
)

ACTIONS: dict[str, ModuleType] = {
    "status": status,
    "list": mails,
    "show": show,
    "doctor": doctor,
    "requeue": requeue,
    "discard": discard,
    "cancel": cancel,
    "forget": forget,
    "pause": pause,
    "resume": resume,
    "purge": purge,
    "relay": relay,
}
