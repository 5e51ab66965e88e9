"""The built-in actions as declared: what checks verify, what plans show. Providers carry them out."""

from collections.abc import Mapping

from scrimp.api import (
    BYTES,
    COUNT,
    DURATION,
    RATIO,
    STRING,
    ActionSpec,
    Assign,
    Direction,
    NoEffect,
    ParamSpec,
    Resize,
    money_per_hour,
)

PRICE = money_per_hour("USD")  # an amount of money an hour, in whatever currency the catalogue has
_TO = ParamSpec("to", (COUNT,), "The wanted value.")
_BY = ParamSpec("by", (RATIO, COUNT), "The change, as a share of what is there or as a number.")
_POOLS = ParamSpec(
    "pools",
    (STRING,),
    'Names of pools to choose from, such as "p3.2xlarge:us-east-1a,p3.2xlarge:us-east-1b".',
)
_MESSAGE = ParamSpec("message", (STRING,), "What to say.")

_SPOT_PARAMS = (
    ParamSpec("max_price", (PRICE,), "The highest price to pay; without it the on-demand price bounds it."),
    _POOLS,
    ParamSpec("fallback", (STRING,), "What to do where there is no capacity.", choices=("on_demand", "wait")),
)


def _resize_group(name: str, doc: str, sign: int, direction: Direction, inverse: str) -> ActionSpec:
    effect = Resize("size", -1 if sign < 0 else 1, "price_per_hour", "min_size", "max_size")
    drain = ParamSpec("drain", (DURATION,), "How long members may take to finish what they do.")
    return ActionSpec(
        name,
        doc,
        ("node_group",),
        (_TO, _BY, drain),
        direction,
        "capacity",
        inverse,
        {"node_group": effect},
        one_of=("to", "by"),
    )


def _resize_batch(name: str, doc: str, sign: int, direction: Direction, inverse: str) -> ActionSpec:
    bound = "floor" if sign < 0 else "ceiling"
    effect = Resize("batch_size", -1 if sign < 0 else 1, bound="floor" if sign < 0 else "ceiling", lowest=1.0)
    return ActionSpec(
        name,
        doc,
        ("job", "operation"),
        (_TO, _BY, ParamSpec(bound, (COUNT,), f"The {bound} that the batch size keeps to.")),
        direction,
        "batch_size",
        inverse,
        {"*": effect},
        one_of=("to", "by"),
    )


def _note(name: str, doc: str, *params: ParamSpec) -> ActionSpec:
    return ActionSpec(name, doc, (), params, effects={"*": NoEffect()}, disruption=0.0)


_ALL = (
    _resize_group(
        "scale_down", "Make a group smaller; members are drained first.", -1, Direction.REDUCE, "scale_up"
    ),
    _resize_group("scale_up", "Make a group larger.", 1, Direction.RESTORE, "scale_down"),
    ActionSpec(
        "resize_pool",
        "Change how many units a pool has.",
        ("pool",),
        (_TO, _BY),
        Direction.BY_SIGN,
        "capacity",
        "resize_pool",
        {"pool": Resize("size", 0, "price_per_hour")},
        one_of=("to", "by"),
    ),
    ActionSpec(
        "switch_to_spot",
        "Move to spot capacity.",
        ("node_group", "job", "node"),
        _SPOT_PARAMS,
        Direction.REDUCE,
        "purchase_option",
        "switch_to_on_demand",
        {
            "job": Assign(
                "purchase_option",
                "spot",
                plus="on_demand_price",
                minus="spot_price",
                discount="spot_discount",
                age="spot_price_age",
            ),
            "node": Assign(
                "purchase_option", "spot", plus="price_per_hour", minus="spot_price", age="spot_price_age"
            ),
            "node_group": Assign(
                "purchase_option",
                "spot",
                plus="price_per_hour",
                minus="spot_price",
                times_field="size",
                age="spot_price_age",
            ),
        },
    ),
    ActionSpec(
        "switch_to_on_demand",
        "Move to on-demand capacity.",
        ("node_group", "job", "node"),
        _SPOT_PARAMS[1:2],
        Direction.RESTORE,
        "purchase_option",
        "switch_to_spot",
        {
            "job": Assign(
                "purchase_option",
                "on_demand",
                plus="spot_price",
                minus="on_demand_price",
                discount="spot_discount",
            ),
            "node": Assign("purchase_option", "on_demand", plus="price_per_hour", minus="on_demand_price"),
            "node_group": Assign(
                "purchase_option",
                "on_demand",
                plus="price_per_hour",
                minus="on_demand_price",
                times_field="size",
            ),
        },
    ),
    _resize_batch(
        "reduce_batch_size", "Process fewer items at once.", -1, Direction.REDUCE, "increase_batch_size"
    ),
    _resize_batch(
        "increase_batch_size", "Process more items at once.", 1, Direction.RESTORE, "reduce_batch_size"
    ),
    ActionSpec(
        "tune_batch_size",
        "Take the best measured batch size within the bounds; with `explore`, measure others first.",
        ("operation",),
        (
            ParamSpec(
                "operation", (STRING,), "The operation that is meant: the target, where it is left out."
            ),
            ParamSpec("max_latency", (DURATION,), "No batch may take longer."),
            ParamSpec("max_memory", (BYTES,), "No worker may use more memory."),
            ParamSpec("objective", (STRING,), "What to make best.", choices=("cost", "throughput", "energy")),
            ParamSpec("explore", (RATIO,), "Share of the traffic that may try other sizes."),
        ),
        Direction.NEUTRAL,
        "batch_size",
        "tune_batch_size",
        {
            "operation": Assign(
                "batch_size",
                from_fields=("batch_size_next", "batch_size_best"),
                asked_field="tuned_for",
                open_field="batch_size_asks",
            )
        },
    ),
    ActionSpec(
        "pause_non_critical",
        "Pause a job that is not critical.",
        ("job",),
        (ParamSpec("resume_by", (DURATION,), "It goes on by itself after this time."),),
        Direction.REDUCE,
        "run_state",
        "resume_paused",
        {"job": Assign("state", "paused", plus="cost_rate")},
        unless="critical",
    ),
    ActionSpec(
        "resume_paused",
        "Let a paused job go on.",
        ("job",),
        (),
        Direction.RESTORE,
        "run_state",
        "pause_non_critical",
        {"job": Assign("state", "running", minus="cost_rate")},
    ),
    ActionSpec(
        "checkpoint",
        "Have a job save its state.",
        ("job",),
        (ParamSpec("timeout", (DURATION,), "How long it may take."),),
        effects={"job": NoEffect()},
        disruption=0.0,
    ),
    ActionSpec(
        "request_capacity",
        "Ask for members beyond those there are.",
        ("node_group", "node"),
        (ParamSpec("count", (COUNT,), "How many."), _POOLS),
        Direction.RESTORE,
        "capacity",
    ),
    ActionSpec(
        "rescue",
        "Drain, checkpoint, replace and clean up what is about to be taken back.",
        ("node_group", "node"),
        (ParamSpec("budget", (DURATION,), "The time there is for all of it."),),
        Direction.RESTORE,
        "run_state",
    ),
    ActionSpec(
        "schedule_job",
        "Give a job the cheapest place and time.",
        ("job",),
        (),
        Direction.NEUTRAL,
        "placement",
    ),
    ActionSpec(
        "defragment", "Move jobs so that a waiting one fits.", ("pool",), (), Direction.NEUTRAL, "placement"
    ),
    _note("recommend", "Say what would be better; nothing is changed.", _MESSAGE),
    _note(
        "alert",
        "Tell people.",
        _MESSAGE,
        ParamSpec("to", (STRING,), "A webhook named in scrimp.yaml; the log without it."),
        ParamSpec("severity", (STRING,), "How bad it is.", choices=("info", "warning", "critical")),
    ),
    _note(
        "webhook",
        "Call a webhook.",
        ParamSpec("url", (STRING,), "Its address.", required=True),
        _MESSAGE,
    ),
    _note(
        "run_command",
        "Run a command on the machine of the daemon; off unless scrimp.yaml allows it.",
        ParamSpec("command", (STRING,), "The command line.", required=True),
    ),
)

SPECS: Mapping[str, ActionSpec] = {spec.name: spec for spec in _ALL}
