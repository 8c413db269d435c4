"""What a first session costs, said before anything is rented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inf2lab import Settings, aws
from inf2lab.cli import app


def said(instance: str, **choices: object) -> str:
    """The text for an instance of four hours, by the dated table."""
    here = aws.Cloud("us-east-2")
    request = aws.launch_request(here, instance, aws.look_up_image(here), **{"hours": 4} | choices)
    return aws.first_session(request, aws.price_table(here, request), Settings())


def numbers(text: str, pattern: str) -> list[float]:
    """The numbers of the one place where a pattern fits."""
    (found,) = re.findall(pattern, text)
    return [float(number) for number in found]


def test_loads_and_a_retry_are_in_the_price_of_a_first_session() -> None:
    """Only the price of an hour was said, and of the hours until the deadline."""
    low, high, likely = numbers(said("inf2.8xlarge"), r"(\d+\.\d\d) to (\d+\.\d\d) USD, likely (\d+\.\d\d)")
    assert 2 < low < likely < high < 10
    assert "2 loads of" in said("inf2.8xlarge")
    assert "planned and not measured" in said("inf2.8xlarge")


def test_the_price_of_the_one_copy_that_is_started_stands_beside_that_of_the_machine() -> None:
    """A million tokens of all twelve copies was the only price; notebook 05 starts one, with eleven chips idle."""
    one, _, _, every = numbers(
        said("inf2.48xlarge"), r"notebook 05 starts: (\d+) USD \((\d+) to (\d+)\).*all 12 copies busy: (\d+\.\d)"
    )
    assert one / every == pytest.approx(12, rel=0.05)
    assert "it is all that fits" in said("inf2.8xlarge")


def test_a_model_that_does_not_load_there_is_not_priced() -> None:
    assert "with facebook/opt-1.3b" in said("inf2.xlarge")
    assert "with facebook/opt-13b" in said("inf2.8xlarge")


def test_a_session_that_may_outlast_the_deadline_says_so() -> None:
    assert "It ends after 1 h" in said("inf2.8xlarge", hours=1)
    assert "It ends after" not in said("inf2.8xlarge")


def test_what_a_bucket_saves_is_said_with_what_it_costs() -> None:
    assert "--bucket NAME would save each later one 6 to 8" in said("inf2.8xlarge")
    text = said("inf2.8xlarge", bucket="my-bucket")
    assert re.search(r"s3://my-bucket saves each later one \d+ to \d+ min, .* USD, for 0.59 USD a month", text)


def test_a_launch_shows_it_before_it_sends_anything() -> None:
    shown = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, ["launch"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.index("a first session with") < shown.output.index("nothing was sent")


def test_the_readme_says_the_same(root: Path) -> None:
    """Twenty minutes were a number of somebody else's smaller model, and stood there without a doubt."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    low, high, likely = numbers(said("inf2.8xlarge"), r"(\d+\.\d\d) to (\d+\.\d\d) USD, likely (\d+\.\d\d)")
    assert f"{low:.1f} to {high:.1f} USD, likely {likely:.1f}; calculated" in " ".join(readme.split())
    saved = re.search(r"each later one (\d+ to \d+) min", said("inf2.8xlarge"))
    assert saved
    assert f"{saved[1]} minutes less (calculated)" in " ".join(readme.split())
    assert "20 min of loading" not in readme
