"""Whether an image can still be pulled, asked of its registry before anything is rented; and where else it is.

By the registry's own HTTP interface (OCI distribution specification: HEAD of a manifest, with the token it asks for),
so that a laptop without Docker can ask. Nothing is pulled, and a HEAD does not count as a pull.
"""

from dataclasses import dataclass

import requests
from requests.utils import parse_dict_header

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.settings import Settings

DOCKER_HUB = "registry-1.docker.io"
PATIENCE_S = 10
_KINDS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True)
class Published:
    """What a registry says of an image: `there` is None where it did not say; the digest is what its tag stands for."""

    image: str
    there: bool | None
    said: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.image}: {self.said}"


def ask_registry(image: str) -> Published:
    """Return whether the registry has an image; it never raises, because nobody need be reachable."""
    host, name, reference = split_name(image)
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"  # as Docker does
    try:
        answer = _head(f"{scheme}://{host}/v2/{name}/manifests/{reference}")
    except (requests.RequestException, KeyError) as error:
        return Published(image, None, f"{host} did not say ({type(error).__name__})")
    if answer.ok:
        digest = answer.headers.get("Docker-Content-Digest", "")
        return Published(image, True, f"{host} has it, {digest}".rstrip(", "), digest)
    if answer.status_code == requests.codes.not_found:
        return Published(image, False, f"{host} has no such image")
    why = {401: "it asks for a login: private, or gone", 403: "not allowed", 429: "too many questions from here"}
    said = why.get(answer.status_code, f"code {answer.status_code}")
    return Published(image, None, f"{host} did not say ({said})")


def require_image(settings: Settings, region: str) -> Published:
    """Return what the registry says of the lane's image; raises SettingsError where it has it no more.

    One that does not answer is no reason: whoever pulls asks again.
    """
    image = settings.image or settings.stack.image
    answer = ask_registry(image)
    if answer.there is False:
        other = second_source(settings, region) or "published nowhere else"
        raise SettingsError("image", image, f"{answer.said}. The same release is {other}; see docs/image.md")
    return answer


def second_source(settings: Settings, region: str) -> str:
    """Return the same release's image in SageMaker's registry, which any AWS account may pull; else nothing."""
    return catalog.sagemaker_facts().image(region, settings.stack) or ""


def split_name(image: str) -> tuple[str, str, str]:
    """Return host, repository and tag or digest of an image's name, as Docker reads it."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    named = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    host, path = (first, rest) if named else (DOCKER_HUB, name if slash else f"library/{name}")
    repository, _, tag = path.partition(":")
    return host, repository, digest or tag or "latest"


def _head(url: str) -> requests.Response:
    kinds = {"Accept": ", ".join(_KINDS)}
    answer = requests.head(url, headers=kinds, timeout=PATIENCE_S)
    scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
    if answer.status_code != requests.codes.unauthorized or scheme.lower() != "bearer":
        return answer
    asked = parse_dict_header(rest)
    given = requests.get(asked.pop("realm"), params=asked, timeout=PATIENCE_S).json()
    bearer = given.get("token") or given["access_token"]
    return requests.head(url, headers=kinds | {"Authorization": f"Bearer {bearer}"}, timeout=PATIENCE_S)
