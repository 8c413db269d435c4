"""Facts about hardware, models and versions: data files with source and date, and typed access to them.

Every number from the outside world that inf2lab uses comes from here.
"""

from inf2lab.catalog._access import (
    Instance,
    Profile,
    default_profile,
    instance,
    instances,
    model,
    models,
    profile,
    profiles,
)

__all__ = [
    "Instance",
    "Profile",
    "default_profile",
    "instance",
    "instances",
    "model",
    "models",
    "profile",
    "profiles",
]
