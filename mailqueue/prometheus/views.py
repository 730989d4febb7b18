"""The metrics as a view, for the web process; who may ask is for the project to say."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from mailqueue.prometheus.exposing import registry


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of this process, or of all in the multiprocess mode."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry()), content_type=content_type)
