"""Pages of a list of which nobody counts the rows."""

from typing import Any

from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from mailqueue.admin.searching import help_for
from mailqueue.ledger.about import read
from mailqueue.ledger.models import Entry
from mailqueue.wire.signature import worker_keys

MOST_PAGES = 100  # what is further down is found by filters and the search


class AtLeast(int):
    """A number of rows when there are more: one page of 100 and at least one row reads 100+."""

    def __str__(self) -> str:
        return f"{int(self) - 1}+"

    __repr__ = __str__


class LookAhead(Paginator):  # type: ignore[type-arg]
    """Looks no further than one row behind the page that is asked for."""

    def __init__(self, rows: QuerySet[Entry], per_page: int, *, number: int) -> None:
        super().__init__(rows, per_page)
        self.number = number

    @cached_property
    def count(self) -> int:
        """Return the number of rows up to the end of the page, and one more if there is one."""
        before = max(0, min(self.number, MOST_PAGES) - 1) * self.per_page
        rows: Any = self.object_list
        found = len(rows.values_list("pk")[before : before + self.per_page + 1])
        if found <= self.per_page:
            return before + found
        if self.number >= MOST_PAGES:
            return before + self.per_page
        return AtLeast(before + found)


def number_of(request: HttpRequest) -> int:
    try:
        return int(request.GET.get(PAGE_VAR, 1))
    except ValueError:
        return 1


class MailList(ChangeList):
    """The rows of a page; for those who may read them, with what they tell of their mail."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        self.search_help_text = help_for(self.reads(request))

    def reads(self, request: HttpRequest) -> bool:
        admin: Any = self.model_admin
        return bool(admin.may_read(request))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.multi_page:
            self.result_list = self.result_list[: self.list_per_page]
        if self.reads(request):
            keys = worker_keys()
            self.result_list = list(self.result_list)
            for entry in self.result_list:
                entry.told = read(entry.about, keys)
