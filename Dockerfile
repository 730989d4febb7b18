# One image for the workers and the web process of docker-compose.yml.
FROM python:3.13-slim
RUN useradd --system --create-home mailqueue
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY mailqueue mailqueue
RUN pip install --no-cache-dir .
COPY worker worker
COPY example example
USER mailqueue
CMD ["celery", "-A", "worker", "worker", "--loglevel", "INFO"]
