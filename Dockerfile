# syntax=docker/dockerfile:1
FROM node:20-slim AS web
WORKDIR /web
COPY parking_cloud/web/package.json parking_cloud/web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim AS build
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project
COPY parking_cloud parking_cloud
COPY sensor_gateway sensor_gateway
COPY forecasting forecasting
RUN uv sync --frozen --no-dev

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 parking
WORKDIR /app
COPY --from=build /app /app
COPY --from=web /web/node_modules parking_cloud/web/node_modules
COPY migrations migrations
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER parking
EXPOSE 8000 8010
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["uvicorn", "--factory", "parking_cloud.app:create_app", "--host", "0.0.0.0", "--port", "8000", "--no-proxy-headers", "--no-access-log"]
