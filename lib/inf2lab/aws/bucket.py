"""A bucket of the person's own: its name, its region, the rights to what lies below a prefix. It is never deleted."""

import re

from inf2lab.aws.connection import Cloud
from inf2lab.aws.roles import Statement, allow
from inf2lab.errors import SettingsError

BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}")  # as botocore checks it, but only when a call is sent


def check_name(bucket: str) -> None:
    """Raise SettingsError for what is no bucket's name."""
    if not BUCKET.fullmatch(bucket):
        raise SettingsError("bucket", bucket, "must be a bucket's name alone, as in my-bucket")


def check_place(cloud: Cloud, bucket: str) -> None:
    """Raise if the bucket is not there or in another region, which would be said after something bills."""
    there = cloud.call("s3", "head_bucket", Bucket=bucket).get("BucketRegion", cloud.region)
    if there != cloud.region:
        raise SettingsError("bucket", bucket, f"is in {there}: name one in {cloud.region}")


def may_read(bucket: str, prefix: str, *, write: bool = False) -> tuple[Statement, Statement]:
    """Return the statements that allow reading below a prefix, and writing if asked, and nothing beside it."""
    place = f"arn:aws:s3:::{bucket}"
    below = {"StringLike": {"s3:prefix": f"{prefix}*"}}
    actions = ["s3:GetObject", "s3:PutObject"] if write else ["s3:GetObject"]
    return allow(actions, f"{place}/{prefix}*"), allow(["s3:ListBucket"], place, below)
