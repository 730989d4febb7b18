"""The list: columns, filters, search, and pages that nobody counts."""

from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.db import connections
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils.timezone import now

from mailqueue.admin import pages, searching
from mailqueue.ledger.models import Entry
from tests.admin.mails import dead, keep
from tests.admin.site import ALIAS
from tests.admin.test_permissions import LIST
from tests.ledger.projects import mailers_for

DATABASES = ["sqlite", "postgresql"]
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def many(number: int, **columns: object) -> None:
    begin = now()
    rows = [
        Entry(
            id=f"{index:032x}",
            mailer="default",
            queued_at=begin - timedelta(seconds=index),
            **{"state": "sent"} | columns,
        )
        for index in range(number)
    ]
    Entry.objects.bulk_create(rows, batch_size=500)


def shown(response) -> list[str]:
    return [entry.pk for entry in response.context["cl"].result_list]


def asked(client, url: str) -> list[str]:
    with CaptureQueriesContext(connections[ALIAS]) as captured:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_the_newest_mail_comes_first(visit):
    many(3)
    assert shown(visit("viewer").get(LIST)) == [f"{index:032x}" for index in range(3)]


def test_filters_narrow_the_list(visit):
    old = dead(queued_at=now() - timedelta(days=3))
    Entry.objects.update(mailer="gone")
    new = keep()
    client = visit("viewer")
    assert shown(client.get(LIST + "?state=dead")) == [old.pk]
    assert shown(client.get(LIST + "?mailer=default")) == [new.pk]
    assert shown(client.get(LIST + "?queued=day")) == [new.pk]
    assert shown(client.get(LIST + "?queued=over-day&state=dead&mailer=gone")) == [old.pk]
    (mailers,) = [
        spec for spec in client.get(LIST).context["cl"].filter_specs if spec.title == "mailer"
    ]
    assert [name for name, _ in mailers.lookup_choices] == ["default", "gone"]


@pytest.mark.parametrize("query", ["?state=x", "?queued=x", "?o=1.-3.9.x", "?p=x", "?all="])
def test_what_no_link_says_harms_nothing(visit, query):
    many(2)
    assert visit("viewer").get(LIST + query, follow=True).status_code == 200


def test_a_mail_is_found_by_its_names_recipient_and_subject(visit):
    message = EmailMessage("Your Order", "", "from@example.test", ["ann@example.test", "b@x.test"])
    mail = keep(message)
    keep(EmailMessage("Other", "", "from@example.test", ["c@example.test"]))
    client = visit("reader")
    for text in (mail.pk, mail.message_id, mail.message_id[1:-1], "Ann@EXAMPLE.test", "order your"):
        assert shown(client.get(LIST, {"q": text})) == [mail.pk], text
    for text in ("ann@example", "nothing", mail.pk[:-1]):
        assert shown(client.get(LIST, {"q": text})) == []
    viewer = visit("viewer")
    assert shown(viewer.get(LIST, {"q": mail.pk})) == [mail.pk]
    assert shown(viewer.get(LIST, {"q": mail.message_id})) == [mail.pk]


def test_sealed_subjects_are_found_and_shown_to_readers(visit, admin):
    with override_settings(MAILERS=mailers_for(1, queue=admin, encryption_keys=[KEY])):
        mail = keep(EmailMessage("A secret", "", "from@example.test", ["ann@example.test"]))
        assert "secret" not in mail.about
        client = visit("reader")
        assert shown(client.get(LIST, {"q": "secret"})) == [mail.pk]
        assert "A secret" in client.get(LIST).content.decode()
    # Without the key nothing is told, and nothing fails.
    response = visit("reader").get(LIST, {"q": mail.pk})
    assert shown(response) == [mail.pk]
    assert "secret" not in response.content.decode()


def test_the_page_says_how_far_subjects_are_searched(visit, monkeypatch):
    old, new = keep(), keep(EmailMessage("New", "", "from@example.test", ["ann@example.test"]))
    Entry.objects.filter(pk=old.pk).update(queued_at=now() - timedelta(days=1))
    monkeypatch.setattr(searching, "NEWEST", 1)
    response = visit("reader").get(LIST, {"q": "Hello"})
    assert shown(response) == []
    assert "among the newest 1 mails" in response.content.decode()
    assert "subject" not in response.context["cl"].search_help_text.replace("of a subject", "")
    monkeypatch.setattr(searching, "NEWEST", 5000)
    monkeypatch.setattr(searching, "SECONDS", -1.0)
    response = visit("reader").get(LIST, {"q": "Hello"})
    assert "Only 1 subjects were searched." in response.content.decode()
    assert new.pk not in shown(response)


def test_no_page_counts_the_rows(visit):
    many(250)
    client = visit("admin")
    first = client.get(LIST)
    text = first.content.decode()
    assert len(shown(first)) == 100
    assert "100+ mails" in text
    assert "Select all 100+ mails" in text
    assert "?p=2" in text
    assert "?p=3" not in text
    assert "?all=" not in text
    last = client.get(LIST + "?p=3")
    assert shown(last) == [f"{index:032x}" for index in range(200, 250)]
    assert "250 mails" in last.content.decode()
    assert client.get(LIST + "?p=4").status_code == 302
    assert len(shown(client.get(LIST + "?all="))) == 100


def test_what_is_no_number_is_not_grouped_like_one(visit):
    many(101)
    with override_settings(USE_THOUSAND_SEPARATOR=True):
        text = visit("admin").get(LIST).content.decode()
    assert text.count("100+") >= 3
    assert "1,00+" not in text


def test_lists_end(visit, monkeypatch):
    many(250)
    monkeypatch.setattr(pages, "MOST_PAGES", 2)
    client = visit("viewer")
    response = client.get(LIST + "?p=2")
    assert len(shown(response)) == 100
    assert "?p=3" not in response.content.decode()
    assert client.get(LIST + "?p=3").status_code == 302


@pytest.mark.parametrize("query", ["", "?p=2", "?state=sent", "?q=ann@example.test", "?o=-5.4"])
def test_the_queries_of_a_page_are_bounded(visit, query):
    client = visit("admin")
    many(1)
    few = asked(client, LIST + query.replace("?p=2", ""))
    Entry.objects.all().delete()
    many(250)
    statements = asked(client, LIST + query)
    assert len(statements) <= len(few) + 1
    assert len(statements) <= 14
    rows = [sql for sql in statements if 'FROM "mailqueue_ledger_entry"' in sql]
    assert [sql for sql in rows if "COUNT(" in sql or '"payload"' in sql] == []
    assert [sql for sql in rows if "LIMIT" not in sql and '"id" = ' not in sql] == []
