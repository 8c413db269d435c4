"""Exercise 01: a weekend on which an instance was only stopped."""

from collections.abc import Iterator

from inf2lab.aws import connect, launch_request, look_up_image, offering, price_table
from inf2lab.grading.points import Given, Point
from inf2lab.settings import Settings

RUN_H, STOPPED_H = 4, 64


def truth() -> float:
    """Return what the weekend costs, by the price table of notebook 01."""
    settings = Settings(lane="rehearsal", instance="inf2.8xlarge")
    cloud = connect(settings, region="us-east-2")
    image = look_up_image(cloud, profile=settings.profile)
    offered = offering(cloud, settings.instance)
    price = price_table(cloud, launch_request(cloud, settings.instance, image, hours=RUN_H, offered=offered))
    return RUN_H * price.usd_per_hour + STOPPED_H * price.usd_per_hour_stopped


def judge(given: Given) -> Iterator[Point]:
    """Ask for the sum of the hours that ran and the hours that were only stopped."""
    hint = "two prices: one while it runs, one while it is stopped; count the hours of each"
    yield Point("the weekend's price is right to a cent", lambda: abs(given["usd"] - truth()) < 0.01, hint)
