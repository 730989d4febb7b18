"""`python -m mailqueue.demo`: the main job on real parts, all on this machine.

A broker, two workers, an SMTP server with faults, Django's ordinary mail API. Nothing else of
the package imports from here; the tests borrow the SMTP server and the broker.
"""
