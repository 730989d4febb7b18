"""What holds for each backend that takes mail itself."""

import pytest
from django.core import mail as django_mail

from mailqueue.mail import EmailMessage, InvalidMailer

BACKENDS = ["smtp", "console", "filebased", "locmem", "dummy"]
CAREFUL = [name for name in BACKENDS if name != "dummy"]  # dummy looks at nothing


@pytest.fixture
def build(mailer, sink, tmp_path, capsys):
    def build(name, **options):
        needs = {
            "smtp": {"host": "127.0.0.1", "port": sink.port, "timeout": 10},
            "filebased": {"file_path": tmp_path / "mail"},
        }
        return mailer(f"mailqueue.backends.{name}.EmailBackend", **needs.get(name, {}), **options)

    return build


def messages(number, cls=EmailMessage):
    return [cls("S", "B", "f@example.test", ["to@example.test"]) for _ in range(number)]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("form", [list, tuple, iter])
def test_it_returns_the_number_sent(build, name, form):
    assert build(name).send_messages(form(messages(3))) == 3


@pytest.mark.parametrize("name", BACKENDS)
def test_nothing_is_zero(build, name):
    assert build(name).send_messages([]) == 0


@pytest.mark.parametrize("name", BACKENDS)
def test_djangos_own_messages(build, name):
    assert build(name).send_messages(messages(2, django_mail.EmailMultiAlternatives)) == 2


@pytest.mark.parametrize("name", BACKENDS)
def test_context_manager(build, name):
    with build(name) as backend:
        assert backend.send_messages(messages(1)) == 1
        assert backend.send_messages(messages(1)) == 1


@pytest.mark.parametrize("name", BACKENDS)
def test_open_and_close_by_hand(build, name):
    backend = build(name)
    backend.open()
    assert backend.send_messages(messages(2)) == 2
    backend.close()
    backend.close()
    assert backend.send_messages(messages(1)) == 1


@pytest.mark.parametrize("name", BACKENDS)
def test_unknown_options(build, name):
    with pytest.raises(InvalidMailer, match=r"MAILERS\['it'\]: Unknown options 'colour', 'size'"):
        build(name, colour=1, size=2)


@pytest.mark.parametrize("name", ["locmem", "dummy"])
def test_fail_silently_is_no_option_of_all(build, name):
    with pytest.raises(InvalidMailer, match="fail_silently"):
        build(name, fail_silently=True)


@pytest.mark.parametrize("name", CAREFUL)
@pytest.mark.parametrize("headers", [{"X\r\nBcc": "x"}, {"X": "x\r\nBcc: y"}])
def test_header_injection(build, name, headers, sink):
    message = EmailMessage("S", "B", "f@example.test", ["to@example.test"], headers=headers)
    with pytest.raises(ValueError):  # noqa: PT011 (Django's texts differ)
        build(name).send_messages([message])
    assert sink.mails == []
