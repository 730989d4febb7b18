"""The options that Django's backend does not have, checked when it is built."""

import smtplib
from typing import Any

import pytest

from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.smtp.client import Client
from tests.smtp.mails import backend


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pipeline_window": -1}, "'pipeline_window' must be a whole number from 0 on, got -1"),
        ({"pipeline_window": 1.5}, "'pipeline_window' must be a whole number"),
        ({"pipeline_window": True}, "'pipeline_window' must be a whole number"),
        ({"max_messages": 0}, "'max_messages' must be a whole number from 1 on, got 0"),
        ({"max_age": 0}, "'max_age' must be a number of seconds from 1 on, got 0"),
        ({"max_age": float("inf")}, "'max_age' must be a number of seconds"),
        ({"final_timeout": "60"}, "'final_timeout' must be a number of seconds"),
        ({"oauth_token": "tests.nowhere.token"}, "'oauth_token' must be the dotted path"),
        ({"oauth_token": "secret-token"}, "'oauth_token' must be the dotted path"),
        ({"oauth_token": 5}, "'oauth_token' must be a function"),
        ({"oauth_token": str}, "'oauth_token' needs 'username' and no 'password'"),
        (
            {"oauth_token": str, "username": "jo", "password": "x"},
            "'oauth_token' needs 'username' and no 'password'",
        ),
        ({"pipelining": True}, "Unknown options 'pipelining'."),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidMailer) as error:
        backend(25, **options)
    assert str(error.value).startswith(f"MAILERS['test']: {text}")
    assert "secret-token" not in str(error.value)


def test_defaults() -> None:
    target = backend(25)
    assert (target.window, target.max_messages, target.connection_options.max_age) == (10, 500, 300)


def test_own_connection_class_is_kept() -> None:
    """A subclass may have a class of its own; ours is mixed in."""
    from mailqueue.smtp.client import client_class

    class Own(smtplib.SMTP):
        pass

    made = client_class(Own)
    assert issubclass(made, Client)
    assert issubclass(made, Own)
    assert client_class(Own) is made
