"""A mail task in the hands of a worker, as ``celery inspect`` shows it to whoever may ask."""

from typing import Any

from celery.worker import request


class Request(request.Request):
    """A request that shows no argument: that is the mail itself."""

    def info(self, safe: bool = False) -> Any:
        """Return what is shown, always the safe way."""
        return super().info(safe=True)
