"""What we add to a Celery worker: a look at each message, the relay, an answer to the doctor."""
