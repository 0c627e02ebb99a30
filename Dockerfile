# The queue monitor in a container. Not built in CI: there is no container engine there. What CI does build and check
# is the wheel that goes in here (tests/test_house.py).
#
#     docker build -t queue-monitor . && docker compose up

FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements requirements
# What the program needs, and apart from it what building its wheel needs: both pinned, with their hashes
RUN python -m venv /opt/queue-monitor \
    && /opt/queue-monitor/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
RUN python -m venv /opt/builder \
    && /opt/builder/bin/pip install --no-cache-dir --require-hashes -r requirements/dev.txt
COPY pyproject.toml README.md ./
COPY queue_monitor queue_monitor
COPY adapters adapters
COPY alerts alerts
COPY grafana grafana
COPY deploy deploy
RUN /opt/builder/bin/python -m hatchling build -t wheel -d dist \
    && /opt/queue-monitor/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim
COPY --from=build /opt/queue-monitor /opt/queue-monitor
# What makes a report a PDF: the layout of text, and fonts
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/queue-monitor --create-home queue-monitor
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
