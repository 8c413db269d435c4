# A real DJLServing on the CPU, whose worker finds this repository's emulated chip: `inf2lab serve --server djl`.
#
#     docker build -t inf2lab-djl:0.25.0 -f docker/djl-cpu.Dockerfile .
#
# Only the Java files come from DJLServing's own image; its Python is older than the emulated chip needs. lib/ is mounted
# when it runs, so that the image does not grow stale.
ARG DJL_VERSION=0.25.0
FROM deepjavalibrary/djl-serving:${DJL_VERSION} AS djl

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*
ARG DJL_VERSION
COPY --from=djl /usr/local/djl-serving-${DJL_VERSION} /opt/djl-serving
COPY requirements.txt constraints.txt /tmp/
# What a worker imports, in the versions that the rehearsal is pinned to.
RUN grep -E '^(-c|(torch|transformers|accelerate|pydantic|numpy|psutil|gguf)==)' /tmp/requirements.txt > /tmp/worker.txt \
    && pip install --no-cache-dir -r /tmp/worker.txt \
    && rm /tmp/*.txt
EXPOSE 8080
ENTRYPOINT ["/opt/djl-serving/bin/serving"]
