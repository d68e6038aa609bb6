# One image for every service: node, gateway, Dagster's webserver, daemon and code location.
FROM python:3.12-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app

# What changes seldom comes first: the dependencies, at the versions that the tests run on.
COPY pyproject.toml requirements-lock.txt README.md LICENSE ./
RUN grep -oE '^[A-Za-z0-9._-]+==[^\\]+' requirements-lock.txt > /tmp/constraints.txt \
 && mkdir goe_lake dagster_project \
 && touch goe_lake/__init__.py dagster_project/__init__.py \
 && pip install --constraint /tmp/constraints.txt --editable '.[demo]' 'dagster-postgres>=0.29.27,<0.30'
COPY goe_lake goe_lake
COPY dagster_project dagster_project
RUN python -m compileall -q goe_lake dagster_project


FROM python:3.12-slim

ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DAGSTER_HOME=/dagster
# A volume takes its owner from the folder of the image that it is mounted on.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin goe \
 && for node in ee fi lv lt lu; do mkdir -p /data/nodes/$node /keys/$node; done \
 && mkdir -p /dagster /keys/gateway \
 && chown -R goe:goe /data /keys /dagster
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY deploy/*.py deploy/dagster.yaml deploy/workspace.yaml /app/deploy/
WORKDIR /app
USER goe

# Services say for themselves how they are in docker-compose.yml; this one holds for the image alone.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["goe", "--version"]
CMD ["goe", "--help"]
