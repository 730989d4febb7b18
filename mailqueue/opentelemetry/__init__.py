"""Spans from queueing a mail to the answer of its target; needs ``mailqueue[opentelemetry]``.

They go where the OpenTelemetry SDK that the project sets up sends them; without one, nowhere.
"""
