"""Errors of the configuration: Django's own classes where Django has them."""

from mailqueue.compat import InvalidMailer, MailerDoesNotExist

__all__ = ["InvalidMailer", "MailerDoesNotExist"]
