"""Facts about hardware, models and versions: data files with source and date, and typed access to them.

Every number from the outside world that inf2lab uses comes from here.
"""

from inf2lab.catalog._access import Provenance, provenance
from inf2lab.catalog._cloud import (
    CloudFacts,
    HostImage,
    Quota,
    UnitPrice,
    cloud_facts,
    host_image,
    launch_quota,
)
from inf2lab.catalog._decode_model import decode_model
from inf2lab.catalog._instances import (
    Instance,
    PriceBasis,
    Topology,
    instance,
    instances,
    price_basis,
    topology,
)
from inf2lab.catalog._latencies import Latency, latencies
from inf2lab.catalog._memory_cases import MemoryCase, memory_cases
from inf2lab.catalog._models import ModelEntry, find_model, model, model_entries, models
from inf2lab.catalog._profiles import (
    Option,
    OptionTable,
    Profile,
    RequestShape,
    default_profile,
    neuron_removed,
    neuron_removed_in,
    options,
    profile,
    profiles,
)
from inf2lab.catalog._scale import (
    Headroom,
    KubeRayFacts,
    KubernetesFacts,
    SageMakerFacts,
    headroom,
    kuberay_facts,
    kubernetes_facts,
    sagemaker_facts,
)
from inf2lab.catalog._troubles import Trouble, recognise, trouble, troubles
from inf2lab.catalog._weights import PackagedWeights, find_packaged, packaged_weights

__all__ = [
    "CloudFacts",
    "Headroom",
    "HostImage",
    "Instance",
    "KubeRayFacts",
    "KubernetesFacts",
    "Latency",
    "MemoryCase",
    "ModelEntry",
    "Option",
    "OptionTable",
    "PackagedWeights",
    "PriceBasis",
    "Profile",
    "Provenance",
    "Quota",
    "RequestShape",
    "SageMakerFacts",
    "Topology",
    "Trouble",
    "UnitPrice",
    "cloud_facts",
    "decode_model",
    "default_profile",
    "find_model",
    "find_packaged",
    "headroom",
    "host_image",
    "instance",
    "instances",
    "kuberay_facts",
    "kubernetes_facts",
    "latencies",
    "launch_quota",
    "memory_cases",
    "model",
    "model_entries",
    "models",
    "neuron_removed",
    "neuron_removed_in",
    "options",
    "packaged_weights",
    "price_basis",
    "profile",
    "profiles",
    "provenance",
    "recognise",
    "sagemaker_facts",
    "topology",
    "trouble",
    "troubles",
]
