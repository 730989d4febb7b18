"""The smallest project that delivers: ``celery -A worker worker``.

Its settings come from the environment, see `worker.settings`, which other settings may import;
DJANGO_SETTINGS_MODULE may name these.
"""
