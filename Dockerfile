# One image for the workers and the web process of docker-compose.yml.
FROM python:3.13.16-slim
RUN useradd --system --create-home mailqueue
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY mailqueue mailqueue
# Dependency groups need pip 25.1; the group has what the image needs and the package does not.
RUN pip install --no-cache-dir --upgrade 'pip>=25.1' && pip install --no-cache-dir --group image .
COPY worker worker
COPY example example
USER mailqueue
CMD ["celery", "-A", "worker", "worker", "--loglevel", "INFO"]
