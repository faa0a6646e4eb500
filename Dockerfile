# docker build --tag market-data-collector .     docs/OPERATIONS.md says how to run it
# To pin the base to the very bytes you have tried: --build-arg BASE=python:3.11.13-slim-bookworm@sha256:...
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements-hosts.txt requirements-build.txt ./
RUN python -m venv /opt/collector \
    && /opt/collector/bin/pip install --no-cache-dir --require-hashes --requirement requirements-hosts.txt \
    && pip install --no-cache-dir --require-hashes --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY collector collector
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/collector/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM ${BASE}
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="market-data-collector" \
      org.opencontainers.image.description="A self-hosted recorder of crypto market data: exchange WebSockets in, exact typed Parquet out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --system --uid 10001 --home-dir /data collector \
    && install --directory --owner=collector /data
COPY --from=build /opt/collector /opt/collector

# What is recorded outlives the container; the port is for whoever the container's network lets in.
ENV PATH=/opt/collector/bin:$PATH \
    COLLECTOR_DATA_DIR=/data \
    COLLECTOR_HTTP__HOST=0.0.0.0 \
    PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data"]
EXPOSE 9464
USER 10001
WORKDIR /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["collector", "status"]
# The supervisor is process 1: it reaps its children and passes signals on, so no init stands before it.
ENTRYPOINT ["collector", "run"]
