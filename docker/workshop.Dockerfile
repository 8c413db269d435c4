# The image for a workshop: the tutorial's own, and in it every notebook executed once, so that what a reader opens has
# run in this very image, and nothing is fetched or prepared in the room.
#
#     docker build -t inf2lab-rehearsal -f docker/rehearsal.Dockerfile .
#     docker build -t inf2lab-workshop -f docker/workshop.Dockerfile .
#     docker run --rm -p 127.0.0.1:8888:8888 inf2lab-workshop            JupyterLab; its log prints the address and token
#     docker save inf2lab-workshop | gzip > inf2lab-workshop.tar.gz      for a room without a network: `docker load` reads it
#
# JupyterLab's own menus are offered in Japanese (Settings, Language), beside the Japanese notebooks of notebooks/ja.
# docs/workshop.md has the rest: tracks, seats, what thirty of them cost.
ARG BASE=inf2lab-rehearsal
FROM ${BASE}
# A notebook that fails ends the build. The last one stops what the others started.
RUN INF2LAB_CLUSTER=recorded INF2LAB_COMPARISON=recorded python tools/notebooks/build_notebooks.py \
    && python tools/translation/translate.py \
    && rm -rf logs/builds logs/server-*
