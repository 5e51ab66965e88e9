"""`scrimp.yaml` in: read with places, validated by its schema, environment variables filled in, typed."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from scrimp.config.settings import BudgetSettings, Config, Keep, Secret, Section, Webhook, defaults
from scrimp.diagnostics import Diagnostic, Severity, Source, Span, did_you_mean
from scrimp.model.decision import Mode
from scrimp.model.quantities import duration_s, quantity
from scrimp.model.types import BYTES
from scrimp_schemas import text

FILE_NAME = "scrimp.yaml"
ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
PATTERNS = {  # what a value must be, by a part of the schema's pattern for it
    "smhdw": "must be a duration such as `30s`",
    "%": "must be a share such as `80%`",
    "label": "must name dimensions such as `team` or `operation`, or labels such as `label.project`",
    "i?": "must be a size such as `20GiB`",
    "https?": "must be the address of a queue, such as `https://sqs.us-east-1.amazonaws.com/111122223333/notices`",
    "iam": "must be the ARN of a role, such as `arn:aws:iam::111122223333:role/worker`",
    "[^:]+": "must be a pool, such as `g5.xlarge:us-east-1a`",
    "^@": "must be a group, such as `@oncall`",
    "": "must be three capital letters, such as `USD`",
}
PLAIN = {"oneOf": "must be a text or a list of texts", "minItems": "must not be empty"}
LABEL = "label."
RESERVED = ("type", "deadline", "interval")


def load_config(
    folder: Path, environment: Mapping[str, str], path: Path | None = None
) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """The configuration of `folder`, or the file at `path`; the defaults where the folder has none."""
    file = path or folder / FILE_NAME
    if path is None and not file.exists():
        return defaults(folder), ()
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "not UTF-8"
        return None, (Diagnostic("SCR401", f"cannot read `{file.name}`: {cause}", Source(str(file), "")),)
    return parse_config(Source(str(file), text), file.parent, environment)


def parse_config(
    source: Source, folder: Path, environment: Mapping[str, str]
) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """The configuration in a text; its relative paths are taken from `folder`."""
    from scrimp.config.document import read_yaml  # noqa: PLC0415 - only where there is a file, for a fast start

    placed, found = read_yaml(source)
    if placed is None:
        return None, found
    found = _validate(placed.value, placed.values, placed.keys, source)
    if found:
        return None, found
    found = tuple(_budget_mistakes(placed.value, placed.values, source))
    if found:
        return None, found
    missing: list[Diagnostic] = []
    value = _filled(placed.value, (), environment, placed.values, source, missing)
    if missing:
        return None, tuple(missing)
    return _typed(value, folder, Path(source.path)), ()


def unused_params(config: Config, known: Collection[str]) -> tuple[Diagnostic, ...]:
    """Warnings of parameters that the file sets and no policy has: as a rule a name with a slip in it."""
    unused = [name for name in config.params if name not in known]
    if config.path is None:
        return ()
    return tuple(
        Diagnostic(
            "SCR402",
            f"no policy has a parameter `{name}`",
            *place_of(config, "params", name),
            severity=Severity.WARNING,
            hint=f"did you mean `{near}`?" if (near := did_you_mean(name, known)) else "leave it out",
        )
        for name in unused
    )


def place_of(config: Config, *keys: str) -> tuple[Source | None, Span | None]:
    """Where a key stands in the file that the configuration came from; for findings of those who use it."""
    from scrimp.config.document import read_yaml  # noqa: PLC0415 - only where there is a file, for a fast start

    if config.path is None:
        return None, None
    try:
        source = Source(str(config.path), config.path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):  # it was there a moment ago
        return None, None
    placed, _ = read_yaml(source)
    return source, None if placed is None else placed.keys.get(keys)


def _validate(
    value: Any, values: Mapping[Any, Span], keys: Mapping[Any, Span], source: Source
) -> tuple[Diagnostic, ...]:
    import jsonschema  # noqa: PLC0415 - only where there is a file, for a fast start

    schema = json.loads(text("config.schema.json"))
    found: list[Diagnostic] = []
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            for key in error.instance:
                if key not in known:
                    near = did_you_mean(key, known)
                    hint = f"did you mean `{near}`?" if near else "known are " + ", ".join(sorted(known))
                    span = keys.get((*path, key))
                    found.append(
                        Diagnostic("SCR402", f"there is no key `{key}` here", source, span, hint=hint)
                    )
            continue
        where = ".".join(str(part) for part in path)
        message = f"`{where}` {_said(error)}" if where else f"the file {_said(error)}"
        found.append(Diagnostic("SCR403", message, source, values.get(path)))
    return tuple(sorted(found, key=lambda one: (one.span or Span(0, 0), one.message)))


def _said(error: Any) -> str:
    """What is wrong, without the value: it may be a secret."""
    wanted = error.validator_value
    match error.validator:
        case "type":
            types = [wanted] if isinstance(wanted, str) else wanted
            words = {
                "object": "a map",
                "array": "a list",
                "string": "a text",
                "boolean": "true or false",
                "integer": "a whole number",
                "number": "a number",
            }
            return "must be " + " or ".join(words.get(one, f"a {one}") for one in types)
        case "enum":
            return "must be one of " + ", ".join(f"`{one}`" for one in wanted)
        case "pattern":
            return next(said for part, said in PATTERNS.items() if part in wanted)
        case "exclusiveMinimum":
            return f"must be above {wanted}"
        case "minimum" | "maximum":
            return f"must be at {'least' if error.validator == 'minimum' else 'most'} {wanted}"
        case "required":
            return "needs " + ", ".join(f"`{one}`" for one in wanted if one not in error.instance)
    return PLAIN.get(error.validator, "is not what belongs here")


def _filled(
    value: Any,
    path: tuple[Any, ...],
    environment: Mapping[str, str],
    values: Mapping[Any, Span],
    source: Source,
    missing: list[Diagnostic],
) -> Any:
    """The value with `${env:NAME}` replaced; a text that had one becomes a `Secret`."""
    if isinstance(value, dict):
        return {k: _filled(v, (*path, k), environment, values, source, missing) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, (*path, k), environment, values, source, missing) for k, v in enumerate(value)]
    if not isinstance(value, str) or not ENV.search(value):
        return value
    for name in ENV.findall(value):
        if name not in environment:
            message = f"the environment variable `{name}` is not set"
            missing.append(Diagnostic("SCR404", message, source, values.get(path)))
    return Secret(ENV.sub(lambda found: environment.get(found[1], ""), value))


def _typed(value: dict[str, Any], folder: Path, file: Path) -> Config:
    base = defaults(folder)

    def seconds(key: str, default: float) -> float:
        found = duration_s(_text(value[key])) if key in value else None
        return default if found is None else found

    mode = value.get("mode_cap")
    return Config(
        policies=folder / _text(value.get("policies", "policies")),
        store=folder / _text(value.get("store", ".scrimp")),
        currency=_text(value.get("currency", base.currency)),
        mode_cap=Mode[mode.upper()] if isinstance(mode, str) else None,
        interval_s=seconds("interval", base.interval_s),
        deadline_s=seconds("deadline", base.deadline_s),
        action_deadline_s=seconds("action_deadline", base.action_deadline_s),
        mass_zero=value.get("mass_zero", base.mass_zero),
        price_per_core_hour=value.get("price_per_core_hour"),
        allow_run_command=value.get("allow_run_command", False),
        params={name: _written(one) for name, one in value.get("params", {}).items()},
        collectors=_sections(value.get("collectors", {})),
        providers=_sections(value.get("providers", {})),
        webhooks={name: _webhook(name, one) for name, one in value.get("webhooks", {}).items()},
        marks={
            name: _marks(value.get("marks", {}).get(name, {}), marks) for name, marks in base.marks.items()
        },
        budgets=tuple(_budget(name, one) for name, one in value.get("budgets", {}).items()),
        keep=_keep(value.get("history", {}), base.keep),
        approvers={
            name: tuple(_text(one) for one in users) for name, users in value.get("approvers", {}).items()
        },
        calendars={name: folder / _text(one) for name, one in value.get("calendars", {}).items()},
        path=file,
    )


def _budget(name: str, raw: Mapping[str, Any]) -> BudgetSettings:
    """A label in `where` takes the place of the dimension `team`."""
    base, alerts = BudgetSettings(name, float(raw["limit"])), raw.get("alerts", {})
    where: dict[str, tuple[str, ...]] = {}
    label = None
    for key, texts in raw.get("where", {}).items():
        wanted = tuple(_text(one) for one in texts) if isinstance(texts, list) else (_text(texts),)
        if key.startswith(LABEL):
            label = key.removeprefix(LABEL)
        where["team" if key.startswith(LABEL) else key] = wanted
    return replace(
        base,
        per=raw.get("per", base.per),
        where=where,
        label=label,
        to=_text(raw.get("to", "")),
        actual=tuple(_share(one) for one in alerts["actual"]) if "actual" in alerts else base.actual,
        forecast=_share(alerts["forecast"]) if "forecast" in alerts else base.forecast,
        burn=float(alerts.get("burn", base.burn)),
        unit_cost=_share(alerts["unit_cost"]) if "unit_cost" in alerts else base.unit_cost,
        unit_cost_over_s=_seconds(alerts, "unit_cost_over", base.unit_cost_over_s),
        unit_cost_against_s=_seconds(alerts, "unit_cost_against", base.unit_cost_against_s),
        rearm=_share(alerts["rearm"]) if "rearm" in alerts else base.rearm,
    )


def _marks(raw: Mapping[str, Any], base: tuple[float, float]) -> tuple[float, float]:
    idle, busy = (
        _share(raw[key]) if key in raw else known for key, known in zip(("idle", "busy"), base, strict=True)
    )
    return idle, busy


def _seconds(raw: Mapping[str, Any], key: str, base: float) -> float:
    found = duration_s(_text(raw[key])) if key in raw else None
    return base if found is None else found


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100


def _budget_mistakes(
    value: Mapping[str, Any], values: Mapping[Any, Span], source: Source
) -> Iterator[Diagnostic]:
    """What the schema cannot say of budgets: a webhook that is not there, labels that cannot stand together."""
    for name, raw in value.get("budgets", {}).items():
        to = raw.get("to")
        hooks = value.get("webhooks", {})
        if to is not None and to not in hooks:
            near = did_you_mean(str(to), hooks)
            hint = f"did you mean `{near}`?" if near else "name it under `webhooks`"
            message = f"there is no webhook `{to}`"
            yield Diagnostic("SCR403", message, source, values.get(("budgets", name, "to")), hint=hint)
        where = raw.get("where", {})
        labels = [key for key in where if key.startswith(LABEL)]
        if len(labels) + ("team" in where) > 1:
            message = f"`budgets.{name}.where` has more than one of `team` and labels"
            yield Diagnostic("SCR403", message, source, values.get(("budgets", name, "where")))


def _keep(raw: Mapping[str, Any], base: Keep) -> Keep:
    samples_s, usage_s = (duration_s(_text(raw[key])) if key in raw else None for key in ("samples", "usage"))
    size = quantity(_text(raw["max_size"]), BYTES) if "max_size" in raw else None
    return Keep(
        base.samples_s if samples_s is None else samples_s,
        base.usage_s if usage_s is None else usage_s,
        base.max_bytes if size is None else int(size),
    )


def _text(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _written(value: Any) -> str:
    """A parameter's value as a policy writes it."""
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _sections(raw: Mapping[str, Any]) -> tuple[Section, ...]:
    return tuple(
        Section(
            name,
            _text(one.get("type", name)),
            {key: option for key, option in one.items() if key not in RESERVED},
            duration_s(one["deadline"]) if "deadline" in one else None,
            duration_s(one["interval"]) if "interval" in one else None,
        )
        for name, one in raw.items()
    )


def _webhook(name: str, raw: Mapping[str, Any]) -> Webhook:
    headers = {key: Secret(_text(one)) for key, one in raw.get("headers", {}).items()}
    return Webhook(name, Secret(_text(raw["url"])), headers)
