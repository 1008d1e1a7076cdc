# backhaul with a headless browser; runs one pipeline and ends. See docs/how-to/run-in-a-container.md.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY LICENSE README.md pyproject.toml requirements.lock ./
COPY tools/locked.py tools/
RUN python3 tools/locked.py "backhaul[sheets,vault,postgres,browser,archives,search,telegram,whatsapp,mongo]" > run.lock \
    && python3 tools/locked.py hatchling > build.lock \
    && python3 -m venv venv \
    && python3 -m venv --without-pip /opt/backhaul \
    && venv/bin/pip install --no-cache-dir --require-hashes --requirement build.lock \
    && venv/bin/pip --python /opt/backhaul/bin/python install --no-cache-dir --require-hashes --requirement run.lock
COPY src src
COPY systems systems
RUN venv/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && venv/bin/pip --python /opt/backhaul/bin/python install --no-cache-dir --no-index --no-deps dist/*.whl

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates chromium-headless-shell libatomic1 python3 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin backhaul
COPY --from=build /opt/backhaul /opt/backhaul
COPY --chown=backhaul:backhaul systems /data/systems
RUN chown backhaul:backhaul /data
# `container` says where we are to programs that must know, such as the browser's sandbox.
ENV PATH=/opt/backhaul/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUTF8=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BACKHAUL_HOME=/data \
    container=oci
USER backhaul
WORKDIR /data
VOLUME ["/data"]
# A stop reaches the command itself, which ends by itself with 130; what is done is not done twice.
STOPSIGNAL SIGTERM
CMD ["backhaul", "run", "andalan", "--automated"]
