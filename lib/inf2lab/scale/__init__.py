"""Past one machine: the same model folder on Ray Serve, Kubernetes and SageMaker."""

from inf2lab.scale.kubernetes.text import as_text
from inf2lab.scale.ray.bench.cluster import RayCluster
from inf2lab.scale.ray.bench.record import Figures, Stage
from inf2lab.scale.ray.bench.tables import autoscaling, loss_table, options_table, overhead_table, queue_table
from inf2lab.scale.ray.manifest import ray_service
from inf2lab.scale.ray.spec import RaySpec

__all__ = [
    "Figures",
    "RayCluster",
    "RaySpec",
    "Stage",
    "as_text",
    "autoscaling",
    "loss_table",
    "options_table",
    "overhead_table",
    "queue_table",
    "ray_service",
]
