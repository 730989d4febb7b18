"""Who may see that a mail exists, who may read it, and who may do something with it."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.mail import EmailMessage
from django.urls import reverse

from mailqueue.ledger.models import Entry
from tests.admin.mails import attempt, dead, keep

LIST = "/admin/mailqueue_ledger/entry/"
ANN = "ann@example.test"
SECRETS = ("Salary", ANN, "a raise", "letter.txt")


def page_of(entry: Entry, name: str = "change", *more: object) -> str:
    return reverse(f"admin:mailqueue_ledger_entry_{name}", args=[entry.pk, *more])


@pytest.fixture
def entry(admin) -> Entry:
    message = EmailMessage("Salary", "You get a raise", "from@example.test", [ANN])
    message.attach("letter.txt", "a raise", "text/plain")
    found = dead(message)
    attempt(found, kind="permanent", stage="recipient", code=550, reason="no such mailbox")
    return found


def pages(entry: Entry) -> dict[str, str]:
    names = {name: page_of(entry, name) for name in ("change", "content", "html", "history")}
    return names | {"attachment": page_of(entry, "attachment", 0), "list": LIST}


def test_who_is_not_permitted_sees_nothing(visit, entry):
    client = visit("nobody")
    found = {name: client.get(url).status_code for name, url in pages(entry).items()}
    assert set(found.values()) == {403}
    assert client.get(LIST + "overview/").status_code == 403


def test_a_viewer_sees_that_a_mail_exists_and_why_it_died(visit, entry):
    client = visit("viewer")
    for url in (LIST, page_of(entry)):
        text = client.get(url).content.decode()
        assert "no such mailbox" in text
        assert [secret for secret in SECRETS if secret in text] == []
    text = client.get(page_of(entry)).content.decode()
    assert entry.message_id[1:-1] in text
    assert f'href="{page_of(entry, "history")}"' in text
    assert page_of(entry, "content") not in text


def test_a_viewer_may_not_read(visit, entry):
    client = visit("viewer")
    for name in ("content", "html", "attachment"):
        assert client.get(pages(entry)[name]).status_code == 403


def test_a_reader_reads(visit, entry):
    client = visit("reader")
    text = client.get(LIST).content.decode()
    assert "Salary" in text
    assert ANN in text
    assert f'href="{page_of(entry, "content")}"' in client.get(page_of(entry)).content.decode()
    text = client.get(page_of(entry, "content")).content.decode()
    assert "You get a raise" in text
    assert "letter.txt" in text


def test_to_read_one_must_be_permitted_to_see(visit, entry):
    person = User.objects.get(username="reader")
    view = Permission.objects.get(codename="view_entry")
    person.user_permissions.remove(view)
    try:
        assert visit("reader").get(page_of(entry, "content")).status_code == 403
    finally:
        person.user_permissions.add(view)


@pytest.mark.parametrize("query", [f"?q={ANN}", "?q=Salary"])
def test_a_viewer_cannot_search_for_what_may_not_be_read(visit, entry, query):
    assert list(visit("viewer").get(LIST + query).context["cl"].result_list) == []
    assert list(visit("reader").get(LIST + query).context["cl"].result_list) == [entry]


@pytest.mark.parametrize(
    "lookup", ["about__contains=Salary", "payload__startswith=1", "message_id__contains=a", "id=x"]
)
def test_a_query_string_asks_for_no_other_column(visit, entry, lookup):
    for name in ("viewer", "admin"):
        assert visit(name).get(f"{LIST}?{lookup}").status_code == 400


@pytest.mark.parametrize("name", ["viewer", "reader", "operator", "admin"])
def test_nobody_adds_edits_or_deletes_rows(visit, entry, name):
    client = visit(name)
    before = Entry.objects.values().get()
    change = {"state": "queued", "mailer": "x", "_save": "Save"}
    assert client.post(page_of(entry), change).status_code == 403
    for url in (LIST + "add/", page_of(entry).replace("/change/", "/delete/")):
        response = client.post(url, {"post": "yes"})
        assert response.status_code in (302, 403, 404, 405)
    assert Entry.objects.values().get() == before


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("viewer", set()),
        ("operator", {"requeue", "cancel"}),
        ("remover", {"delete_selected"}),
        ("admin", {"requeue", "cancel", "delete_selected"}),
    ],
)
def test_each_action_asks_for_its_permission(visit, entry, name, actions):
    client = visit(name)
    form = client.get(LIST).context["action_form"]
    offered = {value for value, _ in form.fields["action"].choices if value} if form else set()
    assert offered == actions
    for action in ("requeue", "cancel", "delete_selected"):
        if action not in actions:
            posted = {"action": action, "_selected_action": [entry.pk], "confirmed": "yes"}
            client.post(LIST, posted | {"index": "0"})
    for action in ("requeue", "discard"):
        permitted = {"requeue": "requeue", "discard": "delete_selected"}[action] in actions
        if not permitted:
            url = page_of(entry)
            assert client.post(url, {"action": action, "confirmed": "yes"}).status_code == 403
    assert Entry.objects.get().state == "dead"


def test_a_mail_that_is_not_there_is_not_found(visit, admin):
    entry = keep()
    Entry.objects.all().delete()
    client = visit("admin")
    for url in (page_of(entry), page_of(entry, "content"), page_of(entry, "attachment", 0)):
        assert client.get(url).status_code == 404
