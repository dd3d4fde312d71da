# The API and the command line in one image. Redis is elsewhere: set REDIS_URL (see compose.yaml).

FROM python:3.12-slim AS build
# wordllama comes ready-made for x86-64 only: elsewhere (Apple silicon, Graviton) it is compiled.
RUN [ "$(dpkg --print-architecture)" = amd64 ] \
    || { apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*; }
RUN python -m venv --without-pip /opt/recommender
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY recommender recommender
COPY loaders loaders
COPY api api
# What reads databases and counts tokens is small. Parquet's package would double the image: ask for
# it with --build-arg EXTRAS=cost,parquet,sql
ARG EXTRAS=cost,sql
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/recommender/bin/python install ".[$EXTRAS]" "psycopg[binary]" -c constraints.txt

FROM python:3.12-slim
# /data holds what outlives a container (rejects files); it is the only directory of this user.
RUN useradd --uid 10001 --home-dir /data --create-home recommender
COPY --from=build /opt/recommender /opt/recommender
ENV PATH=/opt/recommender/bin:$PATH \
    RECOMMENDER_HOME=/data
WORKDIR /data
USER 10001
EXPOSE 8000
CMD ["recommender", "serve", "--host", "0.0.0.0", "--port", "8000"]
