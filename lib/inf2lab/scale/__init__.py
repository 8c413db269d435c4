"""Past one machine: the same model folder on Ray Serve, Kubernetes and SageMaker."""

from inf2lab.scale.manifest_text import as_text
from inf2lab.scale.ray_light import light_folder
from inf2lab.scale.ray_local import RayCluster
from inf2lab.scale.ray_manifest import ray_service
from inf2lab.scale.ray_report import autoscaling, loss_table, options_table, overhead_table, queue_table
from inf2lab.scale.ray_spec import RaySpec
from inf2lab.scale.ray_stage import Figures, Stage

__all__ = [
    "Figures",
    "RayCluster",
    "RaySpec",
    "Stage",
    "as_text",
    "autoscaling",
    "light_folder",
    "loss_table",
    "options_table",
    "overhead_table",
    "queue_table",
    "ray_service",
]
