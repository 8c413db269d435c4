"""The least that can be launched and serves a model: what to try before anything that is dearer."""

from inf2lab import catalog


def first_try(region: str, repository: str = "") -> str:
    """Return what a first try is, what it costs an hour by the dated table, and its two commands."""
    small = catalog.cloud_facts().first_try
    usd = catalog.instance(small.instance).usd_per_hour
    where = f"--region {region} --repository {repository or 'URL'}"
    model = f"-p model_id {small.model_id} -p model_name {small.model_name}"
    return "\n".join(
        (
            f"a first try: {small.model_id} on {small.instance}, {usd:.2f} USD an hour and the disk",
            f"  here:  inf2lab launch --lane inf2 --instance {small.instance} --hours {small.hours} \\",
            f"             {where} --confirm",
            f'  there: make run P="-p lane inf2 -p instance {small.instance} \\',
            f'             {model}"',
        )
    )
