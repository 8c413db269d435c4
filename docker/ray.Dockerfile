# The image of the Ray pods that `inf2lab scale ray --manifest` names: Ray, and what the replicas import of inf2lab.
#
#     docker build -t inf2lab-ray:2.60.0 -f docker/ray.Dockerfile .
#
# It holds no model, no torch and no DJL: those are in the container beside it. Push it to a registry that your cluster
# reads, and set that name in the manifest.
FROM rayproject/ray:2.60.0-py311
COPY requirements-scale.txt /tmp/
RUN grep -Ev '^ray' /tmp/requirements-scale.txt > /tmp/more.txt && pip install --no-cache-dir -r /tmp/more.txt
# What is copied belongs to root, and the base image's user (1000, as the pods say) is another: nothing is written there.
COPY lib/inf2lab /opt/inf2lab/lib/inf2lab
COPY lib/neuron_rules /opt/inf2lab/lib/neuron_rules
ENV PYTHONPATH=/opt/inf2lab/lib INF2LAB_ROOT=/opt/inf2lab
