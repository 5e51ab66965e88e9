"""Entry points -> providers, collectors, and the catalogue that `check` is given.

A plug-in that cannot be loaded or built is a finding (SCR406); the others are used all the same. The actions of the
built-in providers are known without importing their modules, so that `scrimp check` starts fast.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scrimp.api import ActionSpec
from scrimp.config import Config, Section, place_of
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Diagnostic, Severity, did_you_mean
from scrimp.model.catalogue import CURRENCY_DEFAULT, Catalogue
from scrimp_actions.specs import SPECS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from scrimp.api import Collector, Provider, Services

PROVIDERS = "scrimp.providers"
COLLECTORS = "scrimp.collectors"
BUILT_IN = "scrimp_actions."
ALWAYS = ("local", "notify", "tuning")  # providers that need no section in `scrimp.yaml`
PROVIDER_METHODS = ("name", "handles", "plan", "revalidate", "apply", "probe")
COLLECTOR_METHODS = ("name", "interval_s", "covers", "collect")

T = TypeVar("T", "Provider", "Collector")
Findings = tuple[Diagnostic, ...]


def load_catalogue(currency: str = CURRENCY_DEFAULT) -> Catalogue:
    """All kinds, and the actions of all installed providers; what is wrong with a provider is told by `load_actions`."""
    actions, _ = load_actions()
    return builtin_catalogue(currency).with_actions(actions)


def load_actions() -> tuple[Mapping[str, ActionSpec], Findings]:
    """The actions by name: the built-in ones, and those that other packages declare. No package can replace one."""
    actions = dict(SPECS)
    findings: list[Diagnostic] = []
    for point in _points(PROVIDERS).values() if _others_are_installed() else ():
        if point.value.startswith(BUILT_IN):
            continue
        try:
            specs = tuple(point.load().actions)
            wrong = next((spec for spec in specs if not isinstance(spec, ActionSpec)), None)
        except Exception as error:  # noqa: BLE001 - a stranger's module; whatever it throws is this plug-in's cause
            findings.append(_unneeded(point, _said(error)))
            continue
        if wrong is not None:
            findings.append(_unneeded(point, f"`{wrong!r}` among its actions is no ActionSpec"))
            continue
        findings.extend(
            _unneeded(point, f"there is an action `{spec.name}` already")
            for spec in specs
            if actions.setdefault(spec.name, spec) is not spec
        )
    return actions, tuple(findings)


def build_providers(config: Config, services: "Services") -> "tuple[tuple[Provider, ...], Findings]":
    """The providers of `scrimp.yaml` in its order, which is the order in which they are asked; then those that need no section."""
    named = {section.type for section in config.providers}
    sections = (*config.providers, *(Section(name, name) for name in ALWAYS if name not in named))

    def options(section: Section) -> dict[str, Any]:
        known = {"webhooks": config.webhooks} if section.type == "notify" else {}
        return {**known, **section.options, "name": section.name}

    return _build(config, "provider", PROVIDERS, sections, options, services, PROVIDER_METHODS)


def build_collectors(
    config: Config, services: "Services", catalogue: Catalogue
) -> "tuple[tuple[Collector, ...], Findings]":
    """The collectors of `scrimp.yaml` in its order; what they cover and the catalogue lacks is told as SCR503."""

    def options(section: Section) -> dict[str, Any]:
        interval_s = config.interval_s if section.interval_s is None else section.interval_s
        known = {"price_per_core_hour": config.price_per_core_hour} if section.type == "host" else {}
        return {**known, **section.options, "name": section.name, "interval_s": interval_s}

    built: tuple[Collector, ...]
    built, findings = _build(
        config, "collector", COLLECTORS, config.collectors, options, services, COLLECTOR_METHODS
    )
    return built, (*findings, *(one for collector in built for one in _uncatalogued(collector, catalogue)))


def _others_are_installed() -> bool:
    """Whether a package beside scrimp may declare plug-ins: its entry points name one of our groups.

    A look at the files, since `importlib.metadata` would take a tenth of the time that `scrimp check` takes in all.
    """
    return any(map(_may_declare, map(Path, dict.fromkeys(sys.path))))


def _may_declare(folder: Path) -> bool:
    with suppress(OSError):  # where nobody may look, nothing is imported from either
        if folder.is_file():
            return True  # an archive: `importlib.metadata` can look into it
        for declared in folder.glob("*.*-info/entry_points.txt"):
            with suppress(OSError):
                if not declared.parent.name.startswith("scrimp-") and b"[scrimp." in declared.read_bytes():
                    return True
    return False


def _points(group: str) -> dict[str, "EntryPoint"]:
    """By name, in the order of names. Of two with one name the built-in one stands."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - for a fast start of `check`

    found: dict[str, EntryPoint] = {}
    for point in sorted(
        entry_points(group=group), key=lambda one: (one.name, not one.value.startswith(("scrimp.", BUILT_IN)))
    ):
        found.setdefault(point.name, point)
    return found


def _build(
    config: Config,
    what: str,
    group: str,
    sections: Iterable[Section],
    options: Callable[[Section], dict[str, Any]],
    services: "Services",
    needed: Sequence[str],
) -> tuple[tuple[T, ...], Findings]:
    points = _points(group)
    built: dict[str, T] = {}
    findings: list[Diagnostic] = []

    def wrong(name: str, cause: str, hint: str = "") -> None:
        source, span = place_of(config, f"{what}s", name)
        findings.append(Diagnostic("SCR406", f"{what} `{name}`: {cause}", source, span, hint=hint))

    for section in sections:
        point = points.get(section.type)
        if point is None:
            near = did_you_mean(section.type, points)
            hint = f"did you mean `{near}`?" if near else "known are " + ", ".join(points)
            wrong(section.name, f"no plug-in of type `{section.type}`", hint)
            continue
        made, cause = _made(partial(_call, point, options(section), services), needed)
        if made is None:
            wrong(section.name, cause)
        elif made.name in built:
            wrong(section.name, f"another {what} is named `{made.name}` already")
        else:
            built[made.name] = made
    return tuple(built.values()), tuple(findings)


def _call(point: "EntryPoint", options: Mapping[str, Any], services: "Services") -> Any:
    return point.load()(options, services)


def _made(make: Callable[[], T], needed: Sequence[str]) -> tuple[T | None, str]:
    """The plug-in, or why there is none."""
    try:
        made = make()
    except Exception as error:  # noqa: BLE001 - a stranger's code; whatever it throws is this plug-in's cause
        return None, _said(error)
    missing = [name for name in needed if not hasattr(made, name)]
    return (None, "it lacks " + ", ".join(f"`{name}`" for name in missing)) if missing else (made, "")


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its section needs `{error.args[0]}`" if error.args else "a key is missing in its section"
    return f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)


def _unneeded(point: "EntryPoint", cause: str) -> Diagnostic:
    """A provider that is only installed is no reason to stop: a policy or section that needs it is an error of its own."""
    return Diagnostic("SCR406", f"provider `{point.name}`: {cause}", severity=Severity.WARNING)


def _uncatalogued(collector: "Collector", catalogue: Catalogue) -> list[Diagnostic]:
    found = []
    for kind, field in collector.covers():
        spec = catalogue.kinds.get(kind)
        if spec is None:
            near, lacking = did_you_mean(kind, catalogue.kinds), f"kind `{kind}`"
        elif field != "*" and field not in spec.fields:
            near, lacking = did_you_mean(field, spec.fields), f"field `{kind}.{field}`"
        else:
            continue
        message = f"collector `{collector.name}` covers {lacking}, which the catalogue does not have"
        hint = f"did you mean `{near}`?" if near else ""
        found.append(Diagnostic("SCR503", message, hint=hint, severity=Severity.WARNING))
    return found
