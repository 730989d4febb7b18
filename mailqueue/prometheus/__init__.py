"""Metrics of mail for Prometheus; needs the extra ``mailqueue[prometheus]``.

counting  what happens to mail, counted by the signals of mailqueue
queues    what is queued, asked when Prometheus asks
exposing  what a process shows: a worker on a port of its own
views     the same as a view, for the web process
"""
