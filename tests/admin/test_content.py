"""The content of a mail: what is shown, to whom it is told, and what is said when it is gone."""

from email.message import MIMEPart

from django.contrib.admin.models import LogEntry
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.admin import content
from mailqueue.ledger.models import Entry
from tests.admin.mails import PNG, html_mail, keep
from tests.admin.test_permissions import LIST, page_of
from tests.ledger.projects import mailers_for


def read(client, entry: Entry, name: str = "content", *more: object):
    return client.get(page_of(entry, name, *more))


def test_text_headers_and_attachments_are_shown(visit, admin):
    message = html_mail("<p>Hi</p>", **{"X-Order": "Grüße"})
    message.attach("../../bi\\ll.pdf", b"%PDF", "application/pdf")
    message.attach(None, "BEGIN:VCALENDAR", "text/calendar")
    message.attach("inner.eml", EmailMessage("Inner", "x", "a@example.test", ["b@example.test"]))
    entry = keep(message)
    text = read(visit("reader"), entry).content.decode()
    for each in (
        "The text",
        "Grüße",
        "An invoice",
        ">ll.pdf<",
        ">unnamed<",
        "inner.eml",
        "<iframe",
    ):
        assert each in text, each
    assert "../" not in text.partition("Attachments")[2].partition("Headers")[0].replace(
        "/admin/", ""
    )
    assert "ann@example.test" in text


def test_content_in_markup_is_text(visit, admin):
    message = EmailMessage("<b>s", "<script>alert(1)</script>", "a@example.test", ["b@x.test"])
    message.attach("<i>.txt", "x", "text/plain")
    entry = keep(message)
    client = visit("reader")
    for page in (read(client, entry), client.get(page_of(entry)), client.get(LIST)):
        text = page.content.decode()
        for each in ("<b>s", "<script>alert", "<i>.txt"):
            assert each not in text


def test_an_attachment_is_a_file_and_never_a_page(visit, admin):
    message = html_mail("<p>Hi</p>")
    message.attach("päge.html", "<script>alert(1)</script>", "text/html")
    response = read(visit("reader"), keep(message), "attachment", 0)
    assert response.content.strip() == b"<script>alert(1)</script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''p%C3%A4ge.html")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert "sandbox" in response["Content-Security-Policy"]
    entry = Entry.objects.get()
    assert read(visit("reader"), entry, "attachment", 1).status_code == 404


def test_the_html_is_locked_in(visit, admin):
    response = read(visit("reader"), keep(html_mail("<script>alert(1)</script>")), "html")
    policy = response["Content-Security-Policy"]
    for each in (
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "frame-ancestors 'self'",
        "form-action 'none'",
        "sandbox",
    ):
        assert each in policy.split("; "), each
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in response["Cache-Control"]
    page = read(visit("reader"), Entry.objects.get()).content.decode()
    assert "<iframe sandbox src=" in page
    assert "allow-" not in page


def test_pictures_of_the_mail_are_in_the_html(visit, admin):
    message = html_mail('<img src="cid:logo@x"><img src=cid:evil><img src="cid:gone">')
    for cid, subtype in (("logo@x", "png"), ("evil", "svg+xml")):
        picture = MIMEPart()
        picture.set_content(PNG, "image", subtype, cid=f"<{cid}>")
        message.attach(picture)
    entry = keep(message)
    text = read(visit("reader"), entry, "html").content.decode()
    assert '<img src="data:image/png;base64,iVBOR' in text
    assert "src=cid:evil" in text
    assert 'src="cid:gone"' in text


def test_a_picture_that_is_shown_many_times_is_no_bomb(monkeypatch):
    picture = content.Attachment("a.png", "image/png", "a", b"x" * 3000)
    shown = content.Content([], None, "<img src='cid:a'>" * 1000, [picture])
    monkeypatch.setattr(content, "MOST_PICTURES", 10_000)
    html = content.html_for_browser(shown)
    assert html.count("data:image/png") == 2
    assert len(html) < 40_000


def test_a_mail_without_html_has_no_frame(visit, admin):
    entry = keep()
    assert "<iframe" not in read(visit("reader"), entry).content.decode()
    assert read(visit("reader"), entry, "html").status_code == 404


def test_who_reads_a_mail_is_named_in_the_log(visit, admin):
    message = html_mail("<p>Hi</p>")
    message.attach("a.txt", "x", "text/plain")
    entry = keep(message)
    client = visit("reader")
    client.get(page_of(entry))
    assert not LogEntry.objects.exists()  # that is no content
    for name, *more in (("content",), ("html",), ("attachment", 0)):
        read(client, entry, name, *more)
    found = LogEntry.objects.order_by("pk").values_list(
        "user__username", "object_id", "change_message"
    )
    assert list(found) == [
        ("reader", entry.pk, "Read the mail."),
        ("reader", entry.pk, "Read its HTML."),
        ("reader", entry.pk, "Downloaded attachment 1."),
    ]
    history = read(visit("viewer"), entry, "history").content.decode()
    assert "Read the mail." in history
    assert "a.txt" not in history


def test_what_cannot_be_noted_is_not_shown(visit, admin, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError

    monkeypatch.setattr(LogEntry.objects.__class__, "log_actions", fail)
    client = visit("reader")
    client.raise_request_exception = False
    entry = keep(html_mail("<p>Hi</p>"))
    for name in ("content", "html"):
        response = read(client, entry, name)
        assert response.status_code == 500
        assert b"The text" not in response.content


def test_content_that_is_not_kept_or_not_to_be_opened_says_so(visit, admin):
    client = visit("reader")
    entry = keep(state="sent", due_at=None, payload="")
    assert "not kept any more" in read(client, entry).content.decode()
    entry = keep()
    Entry.objects.filter(pk=entry.pk).update(payload="1.json.x:y")
    assert "cannot be opened here (BadSignature)" in read(client, entry).content.decode()
    assert read(client, entry, "html").status_code == 404
    assert read(client, entry, "attachment", 0).status_code == 404
    other = keep()
    Entry.objects.filter(pk=entry.pk).update(payload=other.payload)
    assert "that of another mail" in read(client, entry).content.decode()


def test_a_mail_that_cannot_be_made_says_so(visit, admin):
    entry = keep(EmailMessage("Two\nlines", "", "a@example.test", ["b@example.test"]))
    assert "This mail cannot be made (" in read(visit("reader"), entry).content.decode()


def test_an_attachment_that_the_storage_lost_says_so_and_the_rest_is_shown(visit, admin, tmp_path):
    stored = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    mailers = mailers_for(1, queue=admin, attachments="mails", inline_limit=1000)
    with override_settings(STORAGES={"mails": stored, "staticfiles": static}, MAILERS=mailers):
        message = EmailMessage("Hello", "The text", "from@example.test", ["ann@example.test"])
        message.attach("big.bin", b"x" * 5000, "application/octet-stream")
        message.attach("small.txt", "small", "text/plain")
        entry = keep(message)
        client = visit("reader")
        assert read(client, entry, "attachment", 0).content == b"x" * 5000
        for path in tmp_path.rglob("*"):
            path.unlink() if path.is_file() else None
        text = read(client, entry).content.decode()
        assert "big.bin (application/octet-stream): <strong>the attachment storage" in text
        assert "The text" in text
        assert "small.txt</a>" in text
        assert read(client, entry, "attachment", 0).status_code == 404
    # A mailer that has no storage here, or is gone, is as if it were lost.
    assert "does not give it" in read(visit("reader"), entry).content.decode()
