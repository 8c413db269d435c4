"""What is wanted of Kubernetes: replicas of a folder, and the names and numbers that follow for every object."""

import math
from dataclasses import dataclass

from inf2lab.scale.replica import Placement, Replica


@dataclass(frozen=True)
class Wanted:
    """The replica, how many of them at least and at most, and where they run."""

    replica: Replica
    fewest: int = 1
    most: int = 6
    namespace: str = "inf2lab"
    cluster: str = "inf2lab"  # whose subnets, security groups and node role Karpenter takes
    storage_class: str = ""  # of the volume that keeps weights and programs; empty: they end with the pod

    @property
    def name(self) -> str:
        """The model's name as Kubernetes writes names."""
        return self.replica.folder.name.replace("_", "-").strip("-").lower()

    @property
    def placement(self) -> Placement:
        """How the replicas sit on a node."""
        return self.replica.placement

    def nodes(self, replicas: int) -> int:
        """Instances for so many replicas."""
        return math.ceil(replicas / self.placement.replicas)

    @property
    def most_nodes(self) -> int:
        """Instances that there may be: for one replica more than the most, while a rollout replaces one."""
        return self.nodes(self.most + 1)

    @property
    def device_limit(self) -> int:
        """Devices of so many instances: the bound that Karpenter is given."""
        return self.most_nodes * self.replica.settings.hardware.chips

    @property
    def usd_per_hour(self) -> tuple[float, float] | None:
        """Price of the instances at the fewest and the most replicas, without the cluster; None if not known."""
        price = self.replica.settings.hardware.usd_per_hour
        return None if price is None else (self.nodes(self.fewest) * price, self.nodes(self.most) * price)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels by which everything finds the pods."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/part-of": "inf2lab"}
