"""An option that a backend does not know is an error that says which ones it knows."""

import pytest

from mailqueue.backends import queue, smtp
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.expectations import close, meant, nearest
from mailqueue.mail import InvalidMailer

PATH = "mailqueue.backends.{}.EmailBackend"


class Post(BaseEmailBackend):
    """A backend of somebody else."""

    def __init__(self, url, *, region="eu", **kwargs):
        super().__init__(**kwargs)


class Derived(Post):
    def __init__(self, *args, tag=None, **kwargs):
        super().__init__(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (
            "smtp",
            {"host": "x", "tls": True},
            "'tls'. Did you mean 'use_tls'? Known are '",
        ),
        ("filebased", {"path": "x"}, "'path'. Did you mean 'file_path'? Known are 'file_path', "),
        ("queue", {"using": "it", "batch": 1}, "'batch'. Did you mean 'batch_size'? "),
        ("dummy", {"host": "x"}, "'host'. It has none."),
    ],
)
def test_what_was_probably_meant_is_named(mailer, name, options, text):
    with pytest.raises(InvalidMailer) as raised:
        mailer(PATH.format(name), **options)
    assert str(raised.value).startswith(f"MAILERS['it']: Unknown options {text}")


def test_the_options_of_a_derived_backend_are_those_of_each_init():
    assert Derived.known_options() == ["tag", "url", "region"]
    with pytest.raises(InvalidMailer, match=r"Did you mean 'region'\? Known are 'region', "):
        Derived("x", alias="it", regio="us")


def test_ours_are_known():
    assert {"using", "retry", "fail_silently"} <= set(queue.EmailBackend.known_options())
    assert {"host", "fail_silently", "deadline"} <= set(smtp.EmailBackend.known_options())


def test_the_nearest_comes_first():
    assert nearest("hots", ["port", "timeout", "host"])[0] == "host"
    assert sorted(nearest("zzz", ["port", "host"])) == ["host", "port"]
    assert close("zzz", ["port", "host"]) == ""
    assert meant(["hots", "prot"], ["port", "host"]).startswith("Did you mean 'host', 'port'? ")
