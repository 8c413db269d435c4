"""Past one machine: the same model folder on Ray Serve, Kubernetes and SageMaker."""

from typing import TYPE_CHECKING

from inf2lab.faces import on_demand

if TYPE_CHECKING:
    from inf2lab.scale.kubernetes.text import Document, as_text, fill_in
    from inf2lab.scale.ray.bench.cluster import NODES, RayCluster
    from inf2lab.scale.ray.bench.light_folder import light_folder
    from inf2lab.scale.ray.bench.record import Stage
    from inf2lab.scale.ray.bench.tables import autoscaling, loss_table, options_table, overhead_table, queue_table
    from inf2lab.scale.ray.bench.tail_picture import queue_curve
    from inf2lab.scale.ray.manifest import ray_service
    from inf2lab.scale.ray.spec import RaySpec
    from inf2lab.scale.replica import Replica

__all__ = [
    "NODES",
    "Document",
    "RayCluster",
    "RaySpec",
    "Replica",
    "Stage",
    "as_text",
    "autoscaling",
    "fill_in",
    "light_folder",
    "loss_table",
    "options_table",
    "overhead_table",
    "queue_curve",
    "queue_table",
    "ray_service",
]

# Kubernetes needs none of what the laptop's Ray cluster needs.
__getattr__ = on_demand(__name__)
