# The service, or with the command "worker" a worker on jobs. Nothing is downloaded when it runs.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE build_hook.py ./
COPY screening screening
COPY service service
COPY training training
COPY data/*.yaml data/
COPY models models
RUN pip install --no-cache-dir --prefix=/install .

FROM python:3.12-slim
RUN useradd --system --create-home --home-dir /var/lib/mingjian mingjian \
    && install --directory --owner=mingjian /var/lib/mingjian/data
COPY --from=build /install /usr/local
USER mingjian
WORKDIR /var/lib/mingjian
ENV MINGJIAN_HOST=0.0.0.0 MINGJIAN_DATA_FOLDER=/var/lib/mingjian/data MINGJIAN_LOG_FORMAT=json ORT_DISABLE_TELEMETRY=1
# Uploads and exports are large: they wait on the volume, not in a /tmp that is memory.
ENV TMPDIR=/var/lib/mingjian/data
VOLUME /var/lib/mingjian/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["mingjian"]
CMD ["serve"]
