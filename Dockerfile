# docker build -t market-data-collector .     docs/OPERATIONS.md says how to run it
FROM python:3.11-slim-bookworm

WORKDIR /srv/market-data-collector
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt \
    && useradd --system --uid 10001 --home-dir /data collector \
    && install --directory --owner=collector /data
COPY supervisor.py ./
COPY collector collector
COPY scripts scripts

# What is recorded outlives the container; the port is for whoever the container's network lets in.
ENV COLLECTOR_DATA_DIR=/data \
    COLLECTOR_HTTP__HOST=0.0.0.0 \
    PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data"]
EXPOSE 9464
USER 10001
WORKDIR /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "/srv/market-data-collector/scripts/queue_stats.py"]
# The supervisor is process 1: it reaps its children and passes signals on, so no init stands before it.
ENTRYPOINT ["python", "/srv/market-data-collector/supervisor.py"]
