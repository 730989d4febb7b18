"""Requeue, cancel and discard what somebody has chosen, with a question and a message."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from mailqueue.admin.acting import CANCEL, DISCARD, REQUEUE, Done, Verb, carry_out, meant
from mailqueue.ledger.models import Entry

if TYPE_CHECKING:
    from mailqueue.admin.mails import MailAdmin

COUNTED = 10_000  # mails that a question counts

Answer = HttpResponse | None
Rows = QuerySet[Entry]


@admin.action(description="Queue the chosen dead letters anew", permissions=["change"])
def requeue(model_admin: "MailAdmin", request: HttpRequest, rows: Rows) -> Answer:
    return act(model_admin, request, rows, REQUEUE)


@admin.action(description="Cancel the chosen mails", permissions=["change"])
def cancel(model_admin: "MailAdmin", request: HttpRequest, rows: Rows) -> Answer:
    return act(model_admin, request, rows, CANCEL)


# Of this name is the admin's own action, which deletes mail in any state.
@admin.action(description="Discard the chosen dead letters", permissions=["delete"])
def delete_selected(model_admin: "MailAdmin", request: HttpRequest, rows: Rows) -> Answer:
    return act(model_admin, request, rows, DISCARD)


ALL = (requeue, cancel, delete_selected)


def act(model_admin: "MailAdmin", request: HttpRequest, rows: Rows, verb: Verb) -> Answer:
    """Do it, or ask first: before anything is deleted, and before all that a list shows."""
    across = request.POST.get("select_across") == "1"
    if (across or verb is DISCARD) and "confirmed" not in request.POST:
        return question(model_admin, request, rows, verb)
    chosen = None if across else list(rows.order_by().values_list("pk", flat=True))
    done = carry_out(verb, rows)
    if done.number:
        note(request, verb, done, chosen[0] if chosen and len(chosen) == 1 else None)
    tell(request, verb, done, None if chosen is None else len(chosen))
    return None


def question(model_admin: "MailAdmin", request: HttpRequest, rows: Rows, verb: Verb) -> Answer:
    number = meant(verb, rows)[: COUNTED + 1].count()
    if not number:
        messages.warning(request, f"Nothing was done: {verb.only}.")
        return None
    many = f"more than {COUNTED:,} mails" if number > COUNTED else mails(number)
    context = model_admin.context(
        request,
        title="Are you sure?",
        verb=verb,
        many=many,
        action=request.POST.get("action", ""),
        across=request.POST.get("select_across") == "1",
        chosen=request.POST.getlist(ACTION_CHECKBOX_NAME),
        back=request.get_full_path(),
        checkbox=ACTION_CHECKBOX_NAME,
    )
    return TemplateResponse(request, "admin/mailqueue_ledger/entry/question.html", context)


def tell(request: HttpRequest, verb: Verb, done: Done, chosen: int | None) -> None:
    """Say to how many it was done, and why to no more."""
    if done.number:
        messages.success(request, f"{mails(done.number)} {verb.done}.")
    if not done.finished:
        messages.warning(request, "There are more of them: the time was over. Do it once more.")
    elif chosen is not None and (left := chosen - done.number):
        messages.warning(request, f"{mails(left)} left as before: {verb.only}.")
    elif not done.number:
        messages.warning(request, f"Nothing was done: {verb.only}.")


def note(request: HttpRequest, verb: Verb, done: Done, id: str | None) -> None:  # noqa: A002
    """Write into the admin's log who has done it: for one mail under its id, else the number."""
    from django.contrib.admin.models import CHANGE, DELETION, LogEntry
    from django.contrib.contenttypes.models import ContentType

    LogEntry.objects.create(
        user_id=request.user.pk,  # type: ignore[misc]
        content_type=ContentType.objects.get_for_model(Entry),
        object_id=id,
        object_repr=id or mails(done.number),
        action_flag=DELETION if verb is DISCARD else CHANGE,
        change_message=f"{mails(done.number)} {verb.done}.",
    )


def mails(number: int) -> str:
    return "1 mail" if number == 1 else f"{number:,} mails"
