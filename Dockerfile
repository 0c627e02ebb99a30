# The queue monitor in a container: `make image` builds and tries it (docs/packages.md); compose.yaml builds it too.
#
#     docker build -t queue-monitor . && docker compose up

ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements requirements
# What building the wheel needs: the pins of hatchling and of the five that it stands on, with their hashes
RUN awk '/^[^ #]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements/dev.txt > requirements/build.txt \
    && python -m venv /opt/builder \
    && /opt/builder/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
# What the program needs: pinned, with hashes, without pip; then without what no run reads: sources in C, the libraries'
# tests, the hyphens of other languages
RUN python -m venv --without-pip /opt/queue-monitor \
    && /opt/builder/bin/pip --python /opt/queue-monitor/bin/python install --no-cache-dir --no-compile \
        --require-hashes -r requirements/run.txt \
    && cd /opt/queue-monitor/lib/python3*/site-packages \
    && find . -type f '(' -name '*.[ach]' -o -name '*.[ch]pp' -o -name '*.pyx' -o -name '*.pxd' \
        -o -name 'hyph_*' ! -name 'hyph_sv*' ! -name 'hyph_en*' ')' -delete \
    && find . -type d -name tests -prune -exec rm -r {} +
# Python compiles nothing into a read-only root, so all is compiled here except what is seldom or never imported
COPY pyproject.toml README.md LICENSE ./
COPY queue_monitor queue_monitor
COPY adapters adapters
COPY alerts alerts
COPY grafana grafana
COPY deploy deploy
RUN /opt/builder/bin/python -m hatchling build -t wheel -d dist \
    && /opt/builder/bin/pip --python /opt/queue-monitor/bin/python install --no-cache-dir --no-compile \
        --no-index --no-deps dist/*.whl \
    && /opt/queue-monitor/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/queue-monitor/lib -x \
        '/(pygments|setuptools|holidays/countries|dialects/(mssql|mysql|oracle)|fontTools/(feaLib|otlLib|varLib))/'

FROM ${BASE}
COPY --from=build /opt/queue-monitor /opt/queue-monitor
# What makes a report a PDF: the layout of text, and fonts
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/queue-monitor --create-home --skel /dev/null queue-monitor
ENV PATH=/opt/queue-monitor/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    QUEUE_MONITOR_CONFIG=/etc/queue-monitor/queue-monitor.toml
USER 10001
WORKDIR /var/lib/queue-monitor
VOLUME /var/lib/queue-monitor
STOPSIGNAL SIGTERM
# Reads the settings that the monitor runs on: both take the file above where it is mounted
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["queue-monitor", "healthcheck"]
ENTRYPOINT ["queue-monitor"]
CMD ["run"]
