"""What we add to a Celery worker's consumer: a look at each message, and the relay."""
