"""What stands around the pods: namespace, Service, budget, autoscaler, network, nodes, the Neuron chart's values."""

from typing import Any

from inf2lab import catalog
from inf2lab.folder.needs import INSIDE_PORT
from inf2lab.scale.kubernetes.pod import PORT, disk_gib
from inf2lab.scale.kubernetes.text import Document
from inf2lab.scale.kubernetes.wanted import Wanted

METRIC = "model_requests"  # running and waiting, of all pods together
CLIENT = "inf2lab.example/client"  # label of namespaces whose pods may ask
DOWN_AFTER_S = 600
EMPTY_FOR = "60s"
NODE_AGE = "720h"  # Karpenter's own default, 30 days
NODES = "inf2"


def namespace(name: str) -> Document:
    """Return the namespace, in which the API server itself refuses pods with more rights than these have."""
    policy = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return Document(
        "Pods with root, host access or extra rights are refused here by the API server.",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": policy}},
    )


def service(made: Wanted) -> Document:
    """Return the Service: inference only; management has no port."""
    spec = {"selector": made.labels, "ports": [{"name": PORT, "port": INSIDE_PORT, "targetPort": PORT}]}
    return Document("Inference, inside the cluster. Management has no port.", made.described("v1", "Service", spec))


def disruption_budget(made: Wanted) -> Document:
    """Return the budget: one pod at a time may be taken away on purpose."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": made.labels}}
    return Document(
        "A drained node gives its pods up one at a time, the next when the one before is ready elsewhere. Of two "
        "replicas one always answers; a single one is away while its successor loads.",
        made.described("policy/v1", "PodDisruptionBudget", spec),
    )


def autoscaler(made: Wanted) -> Document:
    """Return the autoscaler on the number of requests: a chip's use says nothing about a queue."""
    at_once = made.replica.at_once(made.replica.workers)
    target = 2 * at_once
    metric = {
        "type": "External",
        "external": {
            "metric": {"name": METRIC, "selector": {"matchLabels": {"model": made.replica.folder.name}}},
            "target": {"type": "AverageValue", "averageValue": str(target)},
        },
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": made.name},
        "minReplicas": made.fewest,
        "maxReplicas": made.most,
        "metrics": [metric],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {
                "stabilizationWindowSeconds": DOWN_AFTER_S,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
            },
        },
    }
    return Document(
        f"One pod for every {target} requests: as many as a pod answers at once ({at_once}), and "
        "as many waiting. A metrics adapter (KEDA, prometheus-adapter) must serve the metric from what counts "
        "requests in front of the pods; without one nothing scales and `kubectl describe hpa` says so. Up at "
        "once, down slowly: a new pod loads for minutes.",
        made.described("autoscaling/v2", "HorizontalPodAutoscaler", spec),
    )


def network_policy(made: Wanted) -> Document:
    """Return who may ask the pods, and what they may reach: names, HTTPS, and metadata for a release that asks it."""
    anywhere = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    egress: list[dict[str, Any]] = [{"ports": dns}, {"to": [anywhere], "ports": [{"protocol": "TCP", "port": 443}]}]
    if made.replica.settings.stack.cores_found_by == "instance metadata":
        metadata = {"ipBlock": {"cidr": "169.254.169.254/32"}}
        egress.append({"to": [metadata], "ports": [{"protocol": "TCP", "port": 80}]})
    if made.replica.weights_on_s3:
        agent = {"ipBlock": {"cidr": f"{catalog.kubernetes_facts().identity_agent}/32"}}
        egress.append({"to": [agent], "ports": [{"protocol": "TCP", "port": 80}]})
    spec = {
        "podSelector": {"matchLabels": made.labels},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {CLIENT: "true"}}}],
                "ports": [{"protocol": "TCP", "port": INSIDE_PORT}],
            }
        ],
        "egress": egress,
    }
    return Document(
        "The server asks nobody who they are: only this namespace's pods, and those of namespaces labelled "
        f"{CLIENT}=true, may ask it. Weights come over HTTPS.",
        made.described("networking.k8s.io/v1", "NetworkPolicy", spec),
    )


def node_pool(made: Wanted) -> Document:
    """Return Karpenter's pool: this instance, with the taint, up to the device limit."""
    facts, settings = catalog.kubernetes_facts(), made.replica.settings
    wanted = {
        "node.kubernetes.io/instance-type": [settings.instance],
        "karpenter.sh/capacity-type": ["on-demand"],
        "kubernetes.io/arch": ["amd64"],
        "kubernetes.io/os": ["linux"],
    }
    spec = {
        "template": {
            "metadata": {"labels": {facts.node_label: "true"}},
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": NODES},
                "requirements": [{"key": key, "operator": "In", "values": values} for key, values in wanted.items()],
                "taints": [{"key": facts.device_resource, "value": "true", "effect": "NoSchedule"}],
                "expireAfter": NODE_AGE,
            },
        },
        "limits": {facts.device_resource: str(made.device_limit)},
        # A node with a pod on it stays: moving a model costs minutes of loading. Without the budget every new machine
        # image would move all of them (Karpenter: drift).
        "disruption": {
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": EMPTY_FOR,
            "budgets": [{"nodes": "0", "reasons": ["Drifted"]}, {"nodes": "100%", "reasons": ["Empty"]}],
        },
    }
    body = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": NODES}, "spec": spec}
    return Document(
        f"Nodes of {settings.instance}, for pods that tolerate the taint, up to {made.device_limit} devices "
        f"({made.most_nodes} of them). Karpenter counts late, and not a node that is going, so for a while there may "
        "be more: the account's quota is the hard "
        f"bound. An empty node goes after {EMPTY_FOR}; one with pods is left alone for {NODE_AGE}, then drained, and "
        "replaced with the newest image.",
        body,
    )


def node_class(made: Wanted) -> Document:
    """Return the AWS side of the pool: image with Neuron's driver, disk, network of the cluster."""
    by_cluster = [{"tags": {"karpenter.sh/discovery": made.cluster}}]
    disk = {"volumeSize": f"{disk_gib(made)}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    hops = 2 if made.replica.settings.stack.cores_found_by == "instance metadata" else 1
    spec = {
        "amiSelectorTerms": [{"alias": "al2023@latest"}],
        "role": f"KarpenterNodeRole-{made.cluster}",
        "subnetSelectorTerms": by_cluster,
        "securityGroupSelectorTerms": by_cluster,
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": disk}],
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": hops},
    }
    body = {"apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass", "metadata": {"name": NODES}, "spec": spec}
    return Document(
        "For Neuron instances Karpenter takes the accelerated image, which has the driver; pin its version "
        "(al2023@v...) where a new one has to be tried first. The disk holds the weights and split copies of "
        f"{made.placement.replicas} replicas.",
        body,
    )


def helm_values(made: Wanted) -> Document:
    """Return values of the Neuron chart: device plugin, and the scheduler that knows neighbours."""
    facts = catalog.kubernetes_facts()
    several = made.replica.devices > 1
    return Document(
        "Values for AWS's neuron-helm-chart: its device plugin counts the devices, its scheduler "
        f"({facts.scheduler}) gives a pod neighbours on the ring, which one device does not need. Its node problem "
        "detector is off: it replaces nodes, and needs a role of its own for that.",
        {
            "npd": {"enabled": False},
            "scheduler": {
                "enabled": several,
                "customScheduler": {"enabled": several},
                "defaultScheduler": {"enabled": False},
            },
        },
    )
