"""AWS for tests: moto over HTTP, and a layer of ours in front that answers what moto answers falsely or not at all.

The layer has spot prices with change points, the Pricing API, idempotency by client token, pools that run out of
capacity, throttling, answers that are lost, expired credentials, placement scores, ModifyFleet, and IAM: with
`allowed` set, a call whose actions are not all in it is refused, as AWS would refuse it. `calls` has all that came.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlencode
from xml.sax.saxutils import escape

import boto3
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

ACCOUNT, REGION = "123456789012", "us-east-1"
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
# What IAM asks for where that is more than the call's own name (Service Authorization Reference).
MORE_ACTIONS = {
    "ec2:CreateFleet": ("ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateTags"),
    "autoscaling:UpdateAutoScalingGroup": (
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:RunInstances",
        "ec2:CreateTags",
    ),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "monitoring:GetMetricData": ("cloudwatch:GetMetricData",),
    "sts:GetCallerIdentity": (),
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass
class World:
    """What the layer knows, beside moto; a test sets it."""

    prices: list[tuple[str, str, float, float]] = field(default_factory=list)  # type, zone, price, at (epoch)
    products: dict[str, float] = field(default_factory=dict)  # on-demand price by type
    capacity: dict[str, int] = field(default_factory=dict)  # by pool; a pool that is not here has enough
    refusals: dict[str, str] = field(default_factory=dict)  # error code by pool
    scores: dict[str, int] = field(default_factory=dict)  # by zone id
    throttled: Counter[str] = field(default_factory=Counter)  # so many calls are refused, by call
    lost: Counter[str] = field(default_factory=Counter)  # so many answers are lost after the effect, by call
    expired: bool = False
    allowed: frozenset[str] | None = None
    policy: list[dict[str, Any]] | None = None  # statements of an IAM policy: with resources and conditions
    calls: list[str] = field(default_factory=list)
    tokens: dict[str, tuple[dict[str, list[str]], bytes]] = field(default_factory=dict)


class AwsServer:
    """The WSGI application, and the address that it is served at."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.world = World()
        self.url = ""
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def reset(self) -> World:
        """A new world, and moto empty."""
        Client(self.moto).post("/moto-api/reset")
        self.world = World()
        return self.world

    def client(self, service: str) -> Any:
        """A client for what a test sets up; its calls are not among those recorded."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id="setup",
                aws_secret_access_key="setup",  # noqa: S106 - of a server of ours
            )
        return self._clients[service]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        call, form = self._call(request, body)
        world = self.world
        if "Credential=setup/" in request.headers.get("Authorization", ""):
            return self._answer(call, form, environ, body)(environ, start_response)
        with self._lock:
            world.calls.append(call)
            throttled = world.throttled[call] > 0
            world.throttled[call] -= throttled
        if world.expired:
            answer = error(
                call, "RequestExpired" if call.startswith("ec2") else "ExpiredToken", "expired", 400
            )
        elif world.allowed is not None and set(MORE_ACTIONS.get(call, (call,))) - world.allowed:
            code = "UnauthorizedOperation" if call.startswith("ec2") else "AccessDeniedException"
            answer = error(call, code, f"not authorized to perform {call}", 403)
        elif world.policy is not None and (denied := self._denied(call, form, body)):
            code = "UnauthorizedOperation" if call.startswith("ec2") else "AccessDeniedException"
            answer = error(call, code, f"not authorized to perform {denied}", 403)
        elif throttled:
            answer = error(
                call,
                "RequestLimitExceeded" if call.startswith("ec2") else "ThrottlingException",
                "slow down",
                400,
            )
        else:
            answer = self._answer(call, form, environ, body)
            with self._lock:
                lost = world.lost[call] > 0
                world.lost[call] -= lost
            if lost:
                answer = error(call, "InternalError", "the answer was lost", 500)
        return answer(environ, start_response)

    def _denied(self, call: str, form: dict[str, list[str]], body: bytes) -> str:
        """The first action of a call that no statement allows; empty where all are."""
        assert self.world.policy is not None
        asked = list(requests(call, form, body, self._tags_of))
        for action, resource, context in asked:
            if not any(allows(one, action, resource, context) for one in self.world.policy):
                return f"{action} on {resource} with {context}"
        return ""

    def _tags_of(self, instance: str) -> dict[str, str]:
        return dict(ec2_backends[ACCOUNT][REGION].tags.get(instance, {}))

    def _call(self, request: Request, body: bytes) -> tuple[str, dict[str, list[str]]]:
        """`service:Operation`, and the form of a query."""
        authorization = request.headers.get("Authorization", "")
        service = (
            authorization.partition("Credential=")[2].split("/")[3] if "Credential=" in authorization else ""
        )
        target = request.headers.get("X-Amz-Target", "")
        if target:
            return f"{service}:{target.rpartition('.')[2]}", {}
        if request.path.startswith("/service/"):  # Smithy RPC: /service/NAME/operation/OPERATION
            return f"{service}:{request.path.rpartition('/')[2]}", {}
        form = parse_qs(body.decode("utf-8", "replace"))
        return f"{service}:{form.get('Action', [''])[0]}", form

    def _answer(self, call: str, form: dict[str, list[str]], environ: dict[str, Any], body: bytes) -> Any:
        own = {
            "ec2:DescribeSpotPriceHistory": self._spot_prices,
            "ec2:CreateFleet": self._create_fleet,
            "ec2:ModifyFleet": self._modify_fleet,
            "ec2:GetSpotPlacementScores": self._scores,
        }.get(call)
        if own is not None:
            return own(form)
        if call == "pricing:GetProducts":
            return self._products(json.loads(body))
        environ["wsgi.input"] = BytesIO(body)
        return self.moto

    def _spot_prices(self, form: dict[str, list[str]]) -> Response:
        """Change points within the time asked for, and the last one before; newest first, 1,000 a page at most."""
        types, zone = listed(form, "InstanceType"), form.get("AvailabilityZone", [""])[0]
        start, end = moment(form, "StartTime", 0.0), moment(form, "EndTime", float("inf"))
        wanted = [
            row
            for row in self.world.prices
            if (not types or row[0] in types) and (not zone or row[1] == zone)
        ]
        before: dict[tuple[str, str], tuple[str, str, float, float]] = {}
        for row in sorted(wanted, key=lambda one: one[3]):
            if row[3] <= start:
                before[row[0], row[1]] = row
        rows = [*before.values(), *(row for row in wanted if start < row[3] <= end)]
        rows.sort(key=lambda one: (-one[3], one[0], one[1]))
        first = int(form.get("NextToken", ["0"])[0])
        size = min(int(form.get("MaxResults", ["1000"])[0]), 1000)
        items = "".join(
            f"<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{price:.6f}</spotPrice><timestamp>{iso(at_s)}</timestamp>"
            f"<availabilityZone>{zone}</availabilityZone></item>"
            for kind, zone, price, at_s in rows[first : first + size]
        )
        token = str(first + size) if first + size < len(rows) else ""
        inner = f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken>{token}</nextToken>"
        return xml("DescribeSpotPriceHistory", inner)

    def _products(self, asked: dict[str, Any]) -> Response:
        wanted = {one["Field"]: one["Value"] for one in asked.get("Filters", ())}
        if wanted.get("regionCode") != REGION or wanted.get("operatingSystem") != "Linux":
            return Response(json.dumps({"PriceList": []}), content_type="application/x-amz-json-1.1")
        kind = wanted.get("instanceType", "")
        price = self.world.products.get(kind)
        found = [] if price is None else [json.dumps(product(kind, price))]
        return Response(json.dumps({"PriceList": found}), content_type="application/x-amz-json-1.1")

    def _scores(self, form: dict[str, list[str]]) -> Response:
        items = "".join(
            f"<item><region>{REGION}</region><availabilityZoneId>{zone}</availabilityZoneId><score>{score}</score></item>"
            for zone, score in self.world.scores.items()
        )
        return xml("GetSpotPlacementScores", f"<spotPlacementScoreSet>{items}</spotPlacementScoreSet>")

    def _create_fleet(self, form: dict[str, list[str]]) -> Response:
        """An instant fleet, pool by pool as capacity goes: moto launches, the layer decides where, and remembers."""
        token = form.get("ClientToken", [""])[0]
        if form.get("Type") != ["instant"]:
            return Client(self.moto).post("/", data=urlencode(form, doseq=True), headers=HEADERS)
        with self._lock:
            if token in self.world.tokens:
                first, answer = self.world.tokens[token]
                if first != form:
                    return error("ec2:CreateFleet", "IdempotentParameterMismatch", "other parameters", 400)
                return Response(answer, content_type="text/xml")
            answer = self._launch(form)
            if answer.status_code == 200 and token:
                self.world.tokens[token] = (form, answer.get_data())
            return answer

    def _launch(self, form: dict[str, list[str]]) -> Response:
        stem = "LaunchTemplateConfigs.1.Overrides."
        places = sorted({int(key[len(stem) :].split(".")[0]) for key in form if key.startswith(stem)})
        left = int(form["TargetCapacitySpecification.TotalTargetCapacity"][0])
        spot = form["TargetCapacitySpecification.DefaultTargetCapacityType"] == ["spot"]
        lifecycle = "spot" if spot else "on-demand"
        subnets = {one.id: one for one in ec2_backends[ACCOUNT][REGION].describe_subnets()}
        made, errors = "", ""
        for place in places:
            override = {
                key[len(f"{stem}{place}.") :]: value
                for key, value in form.items()
                if key.startswith(f"{stem}{place}.")
            }
            kind, subnet = override["InstanceType"][0], override.get("SubnetId", [""])[0]
            zone = subnets[subnet].availability_zone if subnet else override["AvailabilityZone"][0]
            subnet = subnet or next(one.id for one in subnets.values() if one.availability_zone == zone)
            pool = f"{kind}:{zone}"
            told = f"<instanceType>{kind}</instanceType><availabilityZone>{zone}</availabilityZone>"
            where = f"<launchTemplateAndOverrides><overrides>{told}</overrides></launchTemplateAndOverrides>"
            room = min(left, self.world.capacity.get(pool, left))
            code = self.world.refusals.get(pool, "")
            if left > room or code:
                code = code or "InsufficientInstanceCapacity"
                errors += f"<item>{where}<lifecycle>{lifecycle}</lifecycle><errorCode>{code}</errorCode><errorMessage>no</errorMessage></item>"
            if room <= 0 or self.world.refusals.get(pool):
                continue
            part = {
                key: value for key, value in form.items() if not key.startswith(stem) and key != "ClientToken"
            }
            part |= {
                f"{stem}1.InstanceType": [kind],
                f"{stem}1.SubnetId": [subnet],
                "TargetCapacitySpecification.TotalTargetCapacity": [str(room)],
            }
            found = Client(self.moto).post("/", data=urlencode(part, doseq=True), headers=HEADERS)
            if found.status_code != 200:
                return found
            ids = found.get_data(as_text=True).split("<instanceIds>")[1:]
            names = [one.partition("<item>")[2].partition("</item>")[0] for one in ids]
            members = "".join(f"<item>{name}</item>" for name in names)
            made += f"<item>{where}<lifecycle>{lifecycle}</lifecycle><instanceIds>{members}</instanceIds>{told}</item>"
            if pool in self.world.capacity:
                self.world.capacity[pool] -= room
            left -= room
        inner = f"<fleetId>fleet-0</fleetId><errorSet>{errors}</errorSet><fleetInstanceSet>{made}</fleetInstanceSet>"
        return xml("CreateFleet", inner)

    def _modify_fleet(self, form: dict[str, list[str]]) -> Response:
        fleet = ec2_backends[ACCOUNT][REGION].get_fleet(form["FleetId"][0])
        if fleet is None:
            return error("ec2:ModifyFleet", "InvalidFleetId.NotFound", "there is none", 400)
        stem = "TargetCapacitySpecification."
        for key, value in form.items():
            if key.startswith(stem):
                number = int(value[0]) if value[0].isdigit() else value[0]
                fleet.target_capacity_specification[key.removeprefix(stem)] = number
        fleet.target_capacity = int(form[f"{stem}TotalTargetCapacity"][0])
        if fleet.target_capacity > fleet.fulfilled_capacity:
            fleet.create_on_demand_requests(fleet.target_capacity - fleet.fulfilled_capacity)
        elif fleet.target_capacity < fleet.fulfilled_capacity:
            fleet.terminate_instances()
            fleet.fulfilled_capacity = float(fleet.target_capacity)
        return xml("ModifyFleet", "<return>true</return>")


HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Host": f"ec2.{REGION}.amazonaws.com",
    "Authorization": f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature=0",
}


def xml(name: str, inner: str) -> Response:
    head = f'<{name}Response xmlns="{NAMESPACE}"><requestId>0</requestId>'
    return Response(f"{head}{inner}</{name}Response>", content_type="text/xml")


def error(call: str, code: str, message: str, status: int) -> Response:
    """An error in the form of the service that is asked."""
    service = call.partition(":")[0]
    if service == "ec2":
        said = f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors></Response>"
        return Response(said, status, content_type="text/xml")
    if service in ("autoscaling", "sts"):
        said = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        return Response(said, status, content_type="text/xml")
    said = json.dumps({"__type": code, "message": message})
    return Response(said, status, content_type="application/x-amz-json-1.1")


def allows(statement: dict[str, Any], action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether a statement allows an action on a resource: by name, by ARN with `*`, and by `StringEquals`."""
    wanted = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    conditions = statement.get("Condition", {})
    assert set(conditions) <= {"StringEquals"}, "no other operator is known here"
    return (
        action in statement["Action"]
        and any(fnmatchcase(resource, one) for one in wanted)
        and all(context.get(key) == value for key, value in conditions.get("StringEquals", {}).items())
    )


def requests(
    call: str, form: dict[str, list[str]], body: bytes, tags_of: Callable[[str], dict[str, str]]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What IAM is asked for a call: actions, each on a resource and with the keys that conditions know."""
    ec2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    for action in MORE_ACTIONS.get(call, (call,)):
        if action == "ec2:TerminateInstances":
            for instance in listed(form, "InstanceId"):
                tags = {f"aws:ResourceTag/{key}": value for key, value in tags_of(instance).items()}
                yield action, f"{ec2}:instance/{instance}", tags
        elif action == "ec2:CreateTags":
            by = "CreateFleet" if call == "ec2:CreateFleet" else "RunInstances"
            yield action, f"{ec2}:instance/*", {"ec2:CreateAction": by}
        elif action == "ec2:ModifyFleet":
            yield action, f"{ec2}:fleet/{form['FleetId'][0]}", {}
        elif action in ("autoscaling:SetDesiredCapacity", "autoscaling:UpdateAutoScalingGroup"):
            name = form["AutoScalingGroupName"][0]
            group = f"autoScalingGroup:0:autoScalingGroupName/{name}"
            yield action, f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:{group}", {}
        elif action.startswith("sqs:"):
            name = json.loads(body)["QueueUrl"].rpartition("/")[2]
            yield action, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", {}
        elif action == "events:PutEvents":
            for entry in json.loads(body)["Entries"]:
                bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{entry['EventBusName']}"
                yield action, bus, {"events:source": entry["Source"]}
        else:
            yield action, f"any of {action}", {}


def listed(form: dict[str, list[str]], stem: str) -> set[str]:
    return {value[0] for key, value in form.items() if key.startswith(f"{stem}.")}


def moment(form: dict[str, list[str]], key: str, otherwise: float) -> float:
    found = form.get(key)
    return datetime.fromisoformat(found[0]).timestamp() if found else otherwise


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def product(kind: str, price: float) -> dict[str, Any]:
    """One product in the form of the Price List Query API."""
    attributes = {"instanceType": kind, "regionCode": REGION, "operatingSystem": "Linux", "tenancy": "Shared"}
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{price:.10f}"}}
    return {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": f"SKU-{kind}"},
        "terms": {"OnDemand": {"offer": {"priceDimensions": {"rate": dimension}}}},
    }


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """The application on 127.0.0.1 and a free port, until the end."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
