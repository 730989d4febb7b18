"""Write mail to files, for development."""

import contextlib
import datetime
import os
import secrets
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage

from mailqueue import compat
from mailqueue.backends import console
from mailqueue.mail.exceptions import InvalidMailer


class EmailBackend(console.EmailBackend):
    """Write to a new file in the folder `file_path` (str or Path), one file an instance.

    Nobody but the owner of the process may read the file, nor the folder if it is made here.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        file_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._fname: str | None = None
        self._made = False
        super().__init__(fail_silently=fail_silently, **{**kwargs, "stream": None})
        if file_path is None and self.alias is None:
            file_path = compat.legacy_setting("EMAIL_FILE_PATH")
        if file_path is None:
            raise self._error(
                "OPTIONS must define 'file_path'.",
                "The EMAIL_FILE_PATH setting must be set to use the file EmailBackend.",
            )
        self.file_path = os.path.abspath(file_path)
        self._make_folder()

    def _make_folder(self) -> None:
        path = self.file_path
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
        except FileExistsError:
            raise self._error(
                f"'file_path' is not a directory: {path}",
                f"Path for saving email messages exists, but is not a directory: {path}",
            ) from None
        except OSError as error:
            raise self._error(
                f"Could not create 'file_path': {path} ({error})",
                f"Could not create directory for saving email messages: {path} ({error})",
            ) from error
        if not os.access(path, os.W_OK):
            raise self._error(
                f"'file_path' is not writable: {path}", f"Could not write to directory: {path}"
            )

    def _error(self, text: str, text_without_mailers: str) -> ImproperlyConfigured:
        if self.alias is None:
            return ImproperlyConfigured(text_without_mailers)
        return InvalidMailer(text, alias=self.alias)

    def write_message(self, message: EmailMessage) -> None:
        """Write one message and a line after it."""
        self.stream.write(message.message().as_bytes() + b"\n")
        self.stream.write(b"-" * 79)
        self.stream.write(b"\n")

    def open(self) -> bool:
        """Open the file of this instance; tell whether it was closed before."""
        if self.stream is not None:
            return False
        self.stream = open(self._descriptor(), "ab")  # noqa: SIM115 (closed by close())
        return True

    def _descriptor(self) -> int:
        """Make the file, or open it again; a file or a link of somebody else is not written to."""
        path = self._get_filename()
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
        if self._made:
            with contextlib.suppress(FileNotFoundError):
                return os.open(path, flags)
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode=0o600)
        self._made = True
        return descriptor

    def _get_filename(self) -> str:
        if self._fname is None:
            now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            self._fname = os.path.join(self.file_path, f"{now}-{secrets.token_hex(8)}.log")
        return self._fname

    def close(self) -> None:
        """Close the file."""
        try:
            if self.stream is not None:
                self.stream.close()
        finally:
            self.stream = None
