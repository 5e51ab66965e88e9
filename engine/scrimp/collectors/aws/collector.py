"""The collector `aws`: instances, groups, the spot market, metrics and costs of one account and region.

Everything is asked for at once and fails apart: what was not answered is unknown, with the cause.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from scrimp.api import (
    Checkup,
    Collected,
    Health,
    KindBatch,
    OutsideError,
    Permission,
    Services,
    Value,
)
from scrimp.aws import (
    CURRENCY,
    Account,
    AwsSettings,
    Board,
    NoticeBoard,
    NoticeKind,
    OnDemandPrices,
    Operation,
    interruption_rates,
    operations,
    read_lives,
    spot_prices,
)
from scrimp.collectors.aws.fleet import (
    GROUP_FIELDS,
    NODE_FIELDS,
    Group,
    Node,
    auto_scaling_groups,
    ec2_fleets,
    group_batch,
    node_batch,
    nodes,
    own_groups,
    templates_of,
)
from scrimp.collectors.aws.kept import Kept, KeptFigures
from scrimp.collectors.aws.market import MARKET_FIELDS, Market, market_batch, placement_scores
from scrimp.collectors.aws.measures import Cost, Metric, metric_batches, spent
from scrimp.collectors.aws.notices import NOTICE_FIELDS, notice_batch

HOUR_S, DAY_S = 3600.0, 86400.0
TEMPLATE_S = 600.0  # how long the type of a template is believed: which version is the default may change
RETRY_S = 600.0  # a rationed question that failed is not asked again before
SHARE = 0.45  # of the deadline, for what is asked first; what rests on it has the rest
PARALLEL = 8
REUSED = 0.5  # the share of its interval for which a look is good enough for ticks in between

T = TypeVar("T")


@dataclass(slots=True)
class _Asked:
    """One look: what came, what did not, and why."""

    now_s: float
    deadline_s: float
    errors: dict[str, OutsideError] = field(default_factory=dict)

    def of(self, part: str, answer: Future[T], otherwise: T) -> T:
        """The answer of a part; its error is noted where there is none."""
        try:
            return answer.result()
        except OutsideError as error:
            self.errors[part] = error
            return otherwise

    def causes(self) -> dict[str, str]:
        """Why each part that failed did."""
        return {part: str(error) for part, error in self.errors.items()}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at `at_s` came to: the ids of `nodes`, and of those on spot, None where they could not be read."""

    at_s: float
    batches: tuple[KindBatch, ...]
    failed: Mapping[str, str]
    nodes: frozenset[str]
    spot: tuple[str, ...] | None

    def knows(self, board: Board) -> bool:
        """Whether all that were noticed since are among its nodes. Those noticed before and not seen then are gone."""
        return all(
            one.instance in self.nodes
            for one in board.notices
            if one.kind is not NoticeKind.GONE and one.noticed_at_s >= self.at_s
        )

    @property
    def whole(self) -> bool:
        """Whether nothing of it failed: what did is asked again at the next tick."""
        return not self.failed


class AwsCollector:
    """Samples of one account and region. See `actions/README.md` for the options."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """Raises `KeyError` and `ValueError` for a section that cannot be."""
        if services.currency != CURRENCY:
            raise ValueError(f"AWS prices are in {CURRENCY}, and `currency` is {services.currency}")
        self.name = str(config.get("name", "aws"))
        self.interval_s = float(config.get("interval_s", 60.0))
        spot = config.get("spot", {})
        self._types = tuple(spot.get("instance_types", ()))
        self._zones = tuple(spot.get("zones", ()))
        self._product = spot.get("product", "Linux/UNIX")
        self._score_target = int(spot.get("score_target", 0))
        bands = spot.get("interruption_bands")
        settings = AwsSettings.from_config(config)
        self._rates = interruption_rates(settings.region, Path(bands) if bands else None)
        self._groups = dict(config.get("groups", {}))
        self._metrics = tuple(Metric.from_config(raw) for raw in config.get("metrics", ()))
        self._costs = tuple(Cost.from_config(raw) for raw in config.get("costs", ()))
        self._ask_prices = bool(config.get("pricing_api", True))
        self.account = Account(settings, self._operations())
        self._on_demand = OnDemandPrices(self.account, self._ask_prices)
        self._scores: Kept[dict[str, int]] = Kept(HOUR_S, RETRY_S)
        self._zone_ids: Kept[dict[str, str]] = Kept(DAY_S, 0.0)
        self._templates: dict[tuple[str, str], Kept[str]] = {}
        kept_at = services.state_dir / "aws" / f"costs-{self.name}.json"
        self._spent = KeptFigures(kept_at, DAY_S / 4, HOUR_S, writes=not services.preview)
        self._board = NoticeBoard(services.state_dir)
        self._seen: _Seen | None = None
        self._state_dir = services.state_dir

    def _operations(self) -> tuple[Operation, ...]:
        """The calls that this configuration comes to."""
        found = [
            operations.IDENTITY,
            operations.DESCRIBE_INSTANCES,
            operations.DESCRIBE_GROUPS,
            operations.DESCRIBE_FLEETS,
            operations.DESCRIBE_ZONES,
            operations.DESCRIBE_TEMPLATE_VERSIONS,
            operations.SPOT_PRICES,
        ]
        found += [operations.GET_PRODUCTS] if self._ask_prices else []
        found += [operations.PLACEMENT_SCORES] if self._score_target else []
        found += [operations.GET_METRICS] if self._metrics else []
        found += [operations.GET_COST] if self._costs else []
        return tuple(found)

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:  # noqa: ARG002 - a collector acts not
        """All that it reads; these calls know no resources, so they are allowed on all."""
        rationed = (operations.GET_PRODUCTS, operations.PLACEMENT_SCORES)
        why = f"collector {self.name}"
        return [
            permission
            for operation in self._operations()
            for permission in operation.permissions(why, optional=operation in rationed)
        ]

    def covers(self) -> Sequence[tuple[str, str]]:
        """Nodes, groups, the market, and what metrics and costs are mapped to."""
        fields = {
            "node": (*NODE_FIELDS, *NOTICE_FIELDS),
            "node_group": GROUP_FIELDS,
            "spot_market": MARKET_FIELDS,
        }
        mapped = [(one.kind, one.field) for one in self._metrics] + [
            (one.kind, one.field) for one in self._costs
        ]
        built_in = [(kind, one) for kind, names in fields.items() for one in names]
        return tuple(dict.fromkeys([*built_in, *mapped]))

    def examine(self, *, deadline_s: float) -> Sequence[Checkup]:
        """Whether the credentials are good, and for which account."""
        answer = self.account.call(operations.IDENTITY, deadline_s=deadline_s)
        return (Checkup("credentials", Health.GOOD, f"{answer['Arn']} in {self.account.settings.region}"),)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """What the account is like, with the notices of now. Raises the cause where neither instances nor groups could be read.

        A tick between two others, as notices wake the engine for, has the last look again, as old as it is: in a storm
        AWS would be asked without end, and each rescue wait for its answers. One of an instance that was not there is new.
        """
        board = self._board.read()
        seen = self._seen
        if seen is None or not (0.0 < now_s - seen.at_s < self.interval_s * REUSED and seen.knows(board)):
            seen = self._look(now_s, deadline_s)
        self._seen = seen if seen.whole else None
        if seen.spot is None:
            return Collected(seen.batches, seen.failed)
        kept = sorted(seen.nodes.difference(seen.spot))
        return Collected([*seen.batches, notice_batch(board, now_s, seen.spot, kept)], seen.failed)

    def _look(self, now_s: float, deadline_s: float) -> _Seen:
        """Read the account once."""
        look = _Asked(now_s, deadline_s * 0.95)
        first_s = look.deadline_s * SHARE
        with ThreadPoolExecutor(PARALLEL) as pool:

            def start(ask: Callable[[float], T]) -> Future[T]:
                return pool.submit(ask, first_s)

            zone_ids_at = start(lambda left_s: self._zone_ids.get(now_s, lambda: self._ask_zones(left_s)))
            instances_at = start(
                lambda left_s: self._all(operations.DESCRIBE_INSTANCES, left_s, MaxResults=1000)
            )
            groups_at = start(partial(self._ask_groups, now_s))
            fleets_at = start(lambda left_s: self._all(operations.DESCRIBE_FLEETS, left_s))
            scores_at = start(lambda left_s: self._ask_scores(now_s, left_s))
            costs_at = [start(partial(self._ask_spent, cost, now_s)) for cost in self._costs]
            zone_ids = look.of("zones", zone_ids_at, {})
            fleets, fleet_names = ec2_fleets(look.of("fleets", fleets_at, []))
            found = look.of("instances", instances_at, [])
            groups = look.of("groups", groups_at, [])
            scores = look.of("scores", scores_at, {})
            costs = [look.of(f"cost {at}", one, None) for at, one in enumerate(costs_at)]
        members = nodes(found, zone_ids, None if "fleets" in look.errors else fleet_names)
        every = [*groups, *fleets, *own_groups(members, self._groups, [*groups, *fleets])]
        types = {*(one.instance_type for one in members), *(kind for one in every for kind in one.types)}
        market = self._market(look, types, scores, zone_ids)
        self._raise_if_all_failed(look)
        batches, failed = self._laid(look, every, members, market)
        batches += self._cost_batches(costs, look, failed)
        more, causes = self._measured(look, every, members)
        return _Seen(
            now_s,
            (*batches, *more),
            failed | causes,
            frozenset(one.id for one in members),
            None if "instances" in look.errors else tuple(one.id for one in members if one.spot),
        )

    def _all(self, operation: Operation, deadline_s: float, **arguments: Any) -> list[dict[str, Any]]:
        return list(self.account.pages(operation, deadline_s=deadline_s, **arguments))

    def _ask_zones(self, deadline_s: float) -> dict[str, str]:
        found = self.account.pages(operations.DESCRIBE_ZONES, deadline_s=deadline_s)
        return {one["ZoneName"]: one["ZoneId"] for one in found}

    def _ask_groups(self, now_s: float, deadline_s: float) -> list[Group]:
        """Auto Scaling groups, and the types of the templates that they launch from where no override names any.

        A template that is gone, or that there is no time for, leaves the type of its groups unknown, and nothing else.
        """
        until_s = monotonic() + deadline_s
        described = self._all(operations.DESCRIBE_GROUPS, deadline_s, MaxRecords=100)
        types: dict[tuple[str, str], str] = {}
        for key in sorted(templates_of(described)):
            ask = partial(self._ask_template, *key, until_s - monotonic())
            kept = self._templates.setdefault(key, Kept(TEMPLATE_S, TEMPLATE_S))
            with suppress(OutsideError):
                types[key] = kept.get(now_s, ask)
        return auto_scaling_groups(described, {key: one for key, one in types.items() if one})

    def _ask_template(self, name: str, version: str, deadline_s: float) -> str:
        """The instance type of a template's version; empty where it names none."""
        key = "LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName"
        found = self._all(
            operations.DESCRIBE_TEMPLATE_VERSIONS, deadline_s, Versions=[version], **{key: name}
        )
        return str(found[0]["LaunchTemplateData"].get("InstanceType", "")) if found else ""

    def _ask_scores(self, now_s: float, deadline_s: float) -> dict[str, int]:
        if not self._score_target:
            return {}
        return self._scores.get(
            now_s,
            lambda: placement_scores(self.account, self._types, self._score_target, deadline_s=deadline_s),
        )

    def _ask_spent(self, cost: Cost, now_s: float, deadline_s: float) -> float | None:
        return self._spent.get(
            cost.key(self.account.settings, now_s),
            now_s,
            lambda: spent(self.account, cost, now_s, deadline_s=deadline_s),
        )

    def _market(
        self, look: _Asked, running: Collection[str], scores: Mapping[str, int], zone_ids: Mapping[str, str]
    ) -> Market:
        """Prices of the watched types, and of those that run or that groups may launch: where they could move to."""
        left_s = look.deadline_s * (1 - SHARE) / 2
        types = {*self._types, *running}
        with ThreadPoolExecutor(2) as pool:
            spot_at = pool.submit(
                lambda: spot_prices(self.account, types, look.now_s, product=self._product, deadline_s=left_s)
            )
            listed, _ = self._on_demand.of(types, look.now_s, deadline_s=left_s)  # the labels say from where
            spot = look.of("spot prices", spot_at, {})
        try:
            lives = read_lives(self._state_dir)
        except OutsideError as error:
            lives, look.errors["lives"] = {}, error
        return Market(spot, listed, self._rates, scores, zone_ids, lives)

    def _raise_if_all_failed(self, look: _Asked) -> None:
        """Where neither instances nor groups answered, the account is out of reach: all is unknown, by one cause."""
        if "instances" in look.errors and "groups" in look.errors:
            raise look.errors["instances"]

    def _laid(
        self, look: _Asked, groups: Sequence[Group], members: Sequence[Node], market: Market
    ) -> tuple[list[KindBatch], dict[str, str]]:
        def price(node: Node) -> float | None:
            return market.price(node.instance_type, node.zone, spot=node.spot) if node.counts else 0.0

        def offer(types: Sequence[str], zones: Sequence[str]) -> Mapping[str, Value]:
            return market.offer(types, zones, look.now_s)

        causes, now_s = look.causes(), look.now_s
        failed: dict[str, str] = {}
        known = None if "instances" in causes else members
        if "groups" in causes or "fleets" in causes:
            failed["node_group"] = causes.get("groups") or causes["fleets"]
        if "instances" in causes:
            failed["node"] = causes["instances"]
            failed |= {f"node_group.{one}": causes["instances"] for one in ("price_per_hour", "cost_rate")}
        if "spot prices" in causes:
            failed["spot_market"] = causes["spot prices"]
        if self._score_target and ("scores" in causes or "zones" in causes):  # scores are told by zone id
            failed["spot_market.capacity_score"] = causes.get("scores") or causes["zones"]
        if "lives" in causes:
            failed["spot_market.expected_lifetime"] = causes["lives"]
        watched = {key: one for key, one in market.spot.items() if self._watches(one.instance_type, one.zone)}
        shown = replace(market, spot=watched)
        batches = [
            node_batch(members, price, offer, now_s),
            group_batch(groups, known, price, offer, now_s),
            market_batch(shown, now_s),
        ]
        return batches, failed

    def _watches(self, instance_type: str, zone: str) -> bool:
        return instance_type in self._types and (not self._zones or zone in self._zones)

    def _cost_batches(
        self, costs: Sequence[float | None], look: _Asked, failed: dict[str, str]
    ) -> list[KindBatch]:
        batches = []
        for at, (cost, amount) in enumerate(zip(self._costs, costs, strict=True)):
            batches.append(KindBatch(cost.kind, [cost.name], {cost.field: [amount]}, None, look.now_s))
            if f"cost {at}" in look.errors:
                failed[f"{cost.kind}.{cost.field}"] = str(look.errors[f"cost {at}"])
        return batches

    def _measured(
        self, look: _Asked, groups: Sequence[Group], members: Sequence[Node]
    ) -> tuple[list[KindBatch], dict[str, str]]:
        """The metrics, of the rows that were found."""
        if not self._metrics:
            return [], {}
        rows = {"node": [one.id for one in members], "node_group": [one.name for one in groups]}
        left_s = look.deadline_s * (1 - SHARE) / 2
        try:
            return metric_batches(self.account, self._metrics, rows, look.now_s, deadline_s=left_s)
        except OutsideError as error:
            return [], {f"{one.kind}.{one.field}": str(error) for one in self._metrics}
