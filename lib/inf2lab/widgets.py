"""The planner with sliders for a notebook; where nothing runs, its first state stays as a picture."""

from dataclasses import replace
from typing import Any

from ipywidgets import Dropdown, Image, SelectionSlider, VBox

from inf2lab import catalog, pictures
from inf2lab.language import spoken, translated
from inf2lab.planning import Plan, Request, plan_request, request_of
from inf2lab.settings import Settings

# Degrees of every kind: documented ones, those that later runtimes accept, and 3, which is refused.
DEGREES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 16, 32, 64)
SMALLEST_POSITIONS = 128


class Planner(VBox):
    """Instance, degree, batch size and positions to choose; the picture of the plan follows. `plan` is its plan."""

    def __init__(self, request: Request) -> None:
        self.request = request
        wide = {"layout": {"width": "44em"}, "style": {"description_width": "7em"}}
        self.instance = Dropdown(
            options=list(catalog.instances()), value=request.instance, description=_named("instance"), **wide
        )
        self.degree = _slider("degree", _degrees(request), request.tensor_parallel_degree, wide)
        self.batch_size = _slider("batch size", BATCH_SIZES, request.batch_size, wide)
        self.n_positions = _slider("n_positions", _positions(request), request.n_positions, wide)
        self.plan = plan_request(request)
        self._shown = pictures.verdicts(self.plan)
        self._picture = Image(value=self._shown.to_png(), format="png", width=self._shown.width_px)
        choices = [self.instance, self.degree, self.batch_size, self.n_positions]
        super().__init__([*choices, self._picture])
        self.instance.observe(self._offer_its_degrees, "value")
        for control in choices:
            control.observe(self._follow, "value")

    def _offer_its_degrees(self, _change: Any) -> None:
        """A smaller instance has fewer degrees; the chosen one stays if it can.

        New options begin with the first: nobody follows meanwhile, as each plan is drawn.
        """
        hardware, wanted = catalog.instance(self.instance.value), self.degree.value
        offered = _degrees(replace(self.request, hardware=hardware, tensor_parallel_degree=1))
        self.degree.unobserve(self._follow, "value")
        self.degree.options = offered
        self.degree.value = wanted if wanted in offered else offered[-1]
        self.degree.observe(self._follow, "value")

    def _follow(self, _change: Any) -> None:
        asked = replace(
            self.request,
            hardware=catalog.instance(self.instance.value),
            tensor_parallel_degree=self.degree.value,
            batch_size=self.batch_size.value,
            n_positions=self.n_positions.value,
        )
        if asked == self.plan.request:
            return
        self.plan = plan_request(asked)
        self._shown = pictures.verdicts(self.plan)
        self._picture.value = self._shown.to_png()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The sliders for a live notebook; the picture and its words for readers on GitHub and for diffs."""
        picture, sizes = self._shown._repr_mimebundle_()
        return dict(super()._repr_mimebundle_(**kwargs) or {}) | picture, sizes


def planner(settings: Settings | Plan) -> Planner:
    """Return the interactive planner, which starts at a notebook's settings or at a plan."""
    return Planner(settings.request if isinstance(settings, Plan) else request_of(settings))


def _named(name: str) -> str:
    return translated(name, spoken())


def _slider(name: str, options: tuple[int, ...], value: int, wide: dict[str, Any]) -> SelectionSlider:
    offered = tuple(sorted({*options, value}))
    return SelectionSlider(options=offered, value=value, description=_named(name), continuous_update=False, **wide)


def _degrees(request: Request) -> tuple[int, ...]:
    cores = request.hardware.cores
    return tuple(sorted({degree for degree in DEGREES if degree <= cores} | {request.tensor_parallel_degree}))


def _positions(request: Request) -> tuple[int, ...]:
    limit = request.model.max_positions
    powers = (SMALLEST_POSITIONS << power for power in range(limit.bit_length()))
    return (*(positions for positions in powers if positions < limit), limit)
