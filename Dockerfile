# Two images on one environment: `chain` runs steps and commands, `service` answers requests. The commands are in docs/containers.md.
# A digest pins the base for good: --build-arg BASE=docker.io/library/python:3.13-slim-trixie@sha256:...
ARG BASE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE} AS environment
# Names of requirements/NAME.txt, between spaces: drivers of stores that the containers reach without a server in between.
ARG EXTRAS="s3 postgres"
WORKDIR /build
# The version is that of the base's Debian release: an older one is gone from the mirrors after each point release.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
COPY requirements.txt ./
COPY requirements ./requirements
# A project of its own may keep the wheel of the library.
COPY requirements.txt wheel[s]/* ./wheels/
# A secret `pip` is the pip.conf of an index of your own. Tests, stubs and headers of packages are their developers'.
# hadolint ignore=DL3003
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    set -eu; \
    for name in ${EXTRAS}; do set -- "$@" --requirement "requirements/$name.txt"; done; \
    python -m venv /opt/venv; \
    /opt/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: \
        --require-hashes --requirement requirements.txt "$@"; \
    cd /opt/venv/lib/python3*/site-packages; \
    find . -type d -name tests -prune -exec rm -r {} +; \
    find . -name '*.pyi' -delete; \
    rm -r pyarrow/include; \
    /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .

FROM ${BASE} AS runtime
COPY --from=environment /usr/bin/tini /usr/bin/tini
COPY --from=environment /opt/venv /opt/venv
RUN useradd --uid 1000 --user-group --home-dir /var/lib/recipeline --create-home --shell /usr/sbin/nologin recipeline
COPY . /srv/recipeline
RUN python -m compileall -q --invalidation-mode unchecked-hash /srv/recipeline \
    && install --directory --owner=recipeline --group=recipeline /srv/recipeline/log
ARG REVISION=unknown
# Both volumes and a tmpfs at /tmp are all that is written to. Commands run in the first one: relative paths lie there, and
# PYTHONSAFEPATH keeps Python from importing from it.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/recipeline \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GIT_PYTHON_REFRESH=quiet \
    HOME=/var/lib/recipeline \
    MPLCONFIGDIR=/tmp/matplotlib \
    RECIPELINE_PROJECT=/srv/recipeline \
    RECIPELINE_CACHE=/var/lib/recipeline/cache \
    RECIPELINE_GIT_COMMIT=${REVISION}
USER 1000:1000
WORKDIR /var/lib/recipeline
VOLUME ["/var/lib/recipeline", "/srv/recipeline/log"]
# The kernel discards a SIGTERM of process 1 that has no handler yet: for its first seconds Python could not be told to end.
ENTRYPOINT ["/usr/bin/tini", "--"]

FROM runtime AS chain
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="recipeline-chain" \
      org.opencontainers.image.description="The chain and all commands of a recipeline project" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
CMD ["python", "-m", "steps.main", "--profile", "server"]

FROM runtime AS service
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="recipeline-service" \
      org.opencontainers.image.description="The model in Production of a recipeline project, as a REST service" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-S", "-c", "import http.client, sys; probe = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); probe.request('GET', '/readyz'); sys.exit(probe.getresponse().status != 200)"]
# Another address than loopback is served with tokens only: RECIPELINE_SERVICE_TOKENS.
CMD ["python", "-m", "recipeline", "serve", "--profile", "server", "--host", "0.0.0.0"]
