# The whole tutorial in the rehearsal lane, for workshops and continuous integration: nothing to install but Docker.
#
#     docker build -t inf2lab-rehearsal -f docker/rehearsal.Dockerfile .
#     docker run --rm -p 127.0.0.1:8888:8888 inf2lab-rehearsal          JupyterLab; its log prints the address and token
#     docker run --rm inf2lab-rehearsal python tools/notebooks/run_notebooks.py   notebooks 00 to 06, and the endpoint's answer
#
# BASE is any image of the Debian family with Python 3.11 to 3.13 (with venv), for example one of your own registry:
#     --build-arg BASE=registry.example/python:3.11
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# Notebook 06 shows the request with curl as well.
RUN command -v curl >/dev/null \
    || (apt-get update && apt-get install --yes --no-install-recommends curl && rm -rf /var/lib/apt/lists/*)

RUN useradd --uid 1000 --create-home --home-dir /opt/learner learner
ENV VIRTUAL_ENV=/opt/environment PATH=/opt/environment/bin:$PATH
RUN python3 -m venv "$VIRTUAL_ENV" && chown learner "$VIRTUAL_ENV"

# Packages first: they change seldom. PyTorch's index has the small CPU build; where it is not reached, the default
# index has one for CUDA, which computes the same and takes some 5 GB.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt constraints.txt /opt/packages/
RUN pin=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' /opt/packages/requirements.txt) \
    && (pip install --no-cache-dir --no-deps --retries 0 --timeout 10 --index-url "$TORCH_INDEX" "torch==$pin" || true) \
    && pip install --no-cache-dir -r /opt/packages/requirements.txt

# Then the tutorial, which its user may change.
WORKDIR /opt/learner/inf2lab
COPY --chown=learner . .
RUN pip install --no-cache-dir --no-deps --editable . && chown learner /opt/learner/inf2lab lib
USER learner

# DJL's worker, by its digest, so that a workshop needs no network.
RUN python -m rehearsal.server.workers.package

# All addresses, because Docker's port mapping comes from outside; who runs it publishes on 127.0.0.1, and the token holds.
EXPOSE 8888
HEALTHCHECK --interval=10s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8888/api', timeout=5)"]
CMD ["jupyter-lab", "--no-browser", "--ip=0.0.0.0", "--port=8888", "--port-retries=0", "notebooks/00_start_here.ipynb"]
