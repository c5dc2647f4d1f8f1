# SimFleet as a container. Everything is installed from the lock, by hash.
#
#   docker build -t simfleet .
#   docker run --rm simfleet run scenarios/ten-thousand.yaml --out /data/run
#   docker run -p 127.0.0.1:8080:8080 -v simfleet:/data \
#     -e SIMFLEET_API_KEY=... simfleet serve --host 0.0.0.0
#
# Ten thousand chargers need as many open files: add --ulimit nofile=20480:20480.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /opt/simfleet \
 && /opt/simfleet/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md ./
COPY simfleet simfleet
RUN /opt/simfleet/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /data simfleet
COPY --from=build /opt/simfleet /opt/simfleet
WORKDIR /app
COPY scenarios scenarios
USER simfleet
ENV PATH=/opt/simfleet/bin:$PATH SIMFLEET_DB=/data/simfleet.db
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["simfleet"]
CMD ["--help"]
