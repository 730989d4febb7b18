"""A database engine of Django: SQLite whose clock is the run's and that fails when it is told."""
