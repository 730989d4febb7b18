"""Backends for development and tests: console, filebased, locmem, dummy."""

import io
import os
import stat
import threading
from pathlib import Path

import pytest
from django.core import mail

from mailqueue.mail import EmailMessage, InvalidMailer

CONSOLE = "mailqueue.backends.console.EmailBackend"
FILES = "mailqueue.backends.filebased.EmailBackend"
LOCMEM = "mailqueue.backends.locmem.EmailBackend"
DUMMY = "mailqueue.backends.dummy.EmailBackend"


def message(subject="S"):
    return EmailMessage(subject, "Bödy", "f@example.test", ["to@example.test"])


class Broken(io.StringIO):
    def write(self, text):
        raise OSError("full")


def test_console_writes_to_stdout(mailer, capsys):
    assert mailer(CONSOLE).send_messages([message()]) == 1
    written = capsys.readouterr().out
    assert "Subject: S\n" in written
    assert written.endswith("\n" + "-" * 79 + "\n")


def test_console_stream(mailer):
    stream = io.StringIO()
    mailer(CONSOLE, stream=stream).send_messages([message("one"), message("two")])
    assert stream.getvalue().count("-" * 79) == 2


def test_console_fail_silently(mailer):
    with pytest.raises(OSError, match="full"):
        mailer(CONSOLE, stream=Broken()).send_messages([message()])
    assert mailer(CONSOLE, stream=Broken(), fail_silently=True).send_messages([message()]) == 0


def test_console_threads_do_not_mix(mailer):
    """The second batch waits until the first is written."""
    inside, go_on = threading.Event(), threading.Event()
    order = []

    class Slow(io.StringIO):
        def write(self, text):
            if not inside.is_set():
                inside.set()
                go_on.wait(30)
            order.append(threading.current_thread().name)
            return super().write(text)

    backend = mailer(CONSOLE, stream=Slow())
    batches = [
        threading.Thread(target=backend.send_messages, args=([message()] * 2,), name=name)
        for name in ("first", "second")
    ]
    batches[0].start()
    assert inside.wait(30)
    batches[1].start()
    go_on.set()
    for batch in batches:
        batch.join(30)
    assert order == sorted(order)
    assert set(order) == {"first", "second"}


@pytest.mark.parametrize("form", [str, Path])
def test_files_in_a_new_folder(mailer, tmp_path, form):
    folder = tmp_path / "new" / "mail"
    backend = mailer(FILES, file_path=form(folder))
    with backend:
        backend.send_messages([message("one")])
        backend.send_messages([message("two")])
    [file] = folder.iterdir()
    written = file.read_bytes()
    assert written.index(b"Subject: one") < written.index(b"Subject: two")
    assert written.count(b"-" * 79) == 2
    backend.send_messages([message("three")])
    assert list(folder.iterdir()) == [file]


def test_files_of_two_instances(mailer, tmp_path):
    first, second = mailer(FILES, file_path=tmp_path), mailer(FILES, file_path=tmp_path)
    first.send_messages([message()])
    second.send_messages([message()])
    assert len(list(tmp_path.iterdir())) == 2


def test_files_open_and_close(mailer, tmp_path):
    backend = mailer(FILES, file_path=tmp_path)
    assert backend.open() is True
    assert backend.open() is False
    backend.close()
    backend.close()
    assert backend.open() is True
    backend.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_their_owner_alone(mailer, tmp_path):
    before = os.umask(0o022)
    try:
        mailer(FILES, file_path=tmp_path / "new").send_messages([message()])
    finally:
        os.umask(before)
    [file] = (tmp_path / "new").iterdir()
    assert (mode(tmp_path / "new"), mode(file)) == (0o700, 0o600)


def test_files_leave_a_folder_as_it_is(mailer, tmp_path):
    tmp_path.chmod(0o755)
    mailer(FILES, file_path=tmp_path).send_messages([message()])
    assert mode(tmp_path) == 0o755


def test_files_have_names_that_nobody_can_foresee(mailer, tmp_path):
    """Two instances of one second that may live at one place in memory."""
    for _ in range(20):
        mailer(FILES, file_path=tmp_path).send_messages([message()])
    names = [file.stem.rpartition("-")[2] for file in tmp_path.glob("*.log")]
    assert len(names) == 20
    assert {len(name) for name in names} == {16}


@pytest.mark.parametrize("plant", [Path.touch, lambda path: path.symlink_to("elsewhere")])
def test_files_do_not_write_to_what_was_planted(mailer, tmp_path, plant):
    backend = mailer(FILES, file_path=tmp_path)
    plant(Path(backend._get_filename()))
    with pytest.raises(FileExistsError):
        backend.send_messages([message()])
    assert not (tmp_path / "elsewhere").exists()


def test_files_that_are_opened_again_do_not_follow_a_link(mailer, tmp_path):
    backend = mailer(FILES, file_path=tmp_path)
    backend.send_messages([message()])
    [file] = tmp_path.iterdir()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to("elsewhere")
    size = (tmp_path / "elsewhere").stat().st_size
    with pytest.raises(OSError, match="symbolic links"):
        backend.send_messages([message()])
    assert (tmp_path / "elsewhere").stat().st_size == size


def test_files_that_were_taken_away_are_made_again(mailer, tmp_path):
    backend = mailer(FILES, file_path=tmp_path)
    backend.send_messages([message()])
    [file] = tmp_path.iterdir()
    file.unlink()
    backend.send_messages([message()])
    assert [mode(each) for each in tmp_path.iterdir()] == [0o600]


def test_files_without_a_path(mailer):
    with pytest.raises(InvalidMailer, match=r"MAILERS\['it'\]: OPTIONS must define 'file_path'"):
        mailer(FILES)


def test_files_in_a_file(mailer, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidMailer, match="'file_path' is not a directory"):
        mailer(FILES, file_path=tmp_path / "file")
    with pytest.raises(InvalidMailer, match="Could not create 'file_path'"):
        mailer(FILES, file_path=tmp_path / "file" / "below")


def test_files_in_a_folder_that_takes_none(mailer, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InvalidMailer, match="'file_path' is not writable"):
        mailer(FILES, file_path=tmp_path)


def test_files_take_no_stream(mailer, tmp_path):
    backend = mailer(FILES, file_path=tmp_path, stream=io.StringIO())
    assert backend.stream is None


def test_locmem_keeps_copies(mailer):
    mail.outbox = []
    sent = message()
    sent.attachments.append(("a.txt", "x", "text/plain"))
    assert mailer(LOCMEM).send_messages([sent]) == 1
    sent.subject = "changed"
    sent.to.append("more@example.test")
    sent.attachments.clear()
    [kept] = mail.outbox
    assert (kept.subject, kept.to, len(kept.attachments)) == ("S", ["to@example.test"], 1)
    assert kept.sent_using == "it"
    assert not hasattr(sent, "sent_using")


def test_locmem_outside_of_a_test_run(mailer, monkeypatch):
    monkeypatch.delattr(mail, "outbox")
    mailer(LOCMEM).send_messages([message()])
    assert len(mail.outbox) == 1


def test_locmem_refuses_what_smtp_would(mailer):
    mail.outbox = []
    with pytest.raises(ValueError):  # noqa: PT011 (Django's texts differ)
        mailer(LOCMEM).send_messages([message("a\nb")])
    assert mail.outbox == []


def test_dummy(mailer):
    mail.outbox = []
    assert mailer(DUMMY).send_messages(iter([message(), message()])) == 2
    assert mail.outbox == []
