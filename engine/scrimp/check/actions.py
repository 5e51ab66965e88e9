"""Action calls: the action, its parameters, and whether it fits the kind."""

from scrimp.check.expressions import Typer
from scrimp.check.hints import ONE_CURRENCY, example_of, near
from scrimp.lang import ast
from scrimp.model.catalogue import ActionSpec, ParamSpec
from scrimp.model.expression import Const, Expression
from scrimp.model.policy import ActionCall
from scrimp.model.types import Type


def check_action(call: ast.ActionCall, typer: Typer) -> ActionCall | None:
    """An action call with its arguments typed; `None` where it is wrong, and reported."""
    report, catalogue = typer.report, typer.catalogue
    spec = catalogue.actions.get(call.name.value)
    if spec is None:
        report.error(
            "SCR203",
            f"unknown action `{call.name.value}`",
            call.name.span,
            hint=near(call.name.value, catalogue.actions) or "see all with `scrimp schema catalogue`",
        )
        return None
    fine = True
    if spec.kinds and typer.kind is not None and typer.kind.name not in spec.kinds:
        report.error(
            "SCR217",
            f"`{spec.name}` cannot act on `{typer.kind.name}`",
            call.name.span,
            hint=f"it acts on {', '.join(f'`{kind}`' for kind in spec.kinds)}",
        )
        fine = False
    args = _arguments(call, spec, typer)
    fine = _complete(call, spec, typer) and fine
    if args is None or not fine:
        return None
    shown = ", ".join(f"{name} = {value.text}" for name, value in args.items())
    return ActionCall(spec, args, f"{spec.name}({shown})", call.span)


def _arguments(call: ast.ActionCall, spec: ActionSpec, typer: Typer) -> dict[str, Expression] | None:
    params = {param.name: param for param in spec.params}
    args: dict[str, Expression] = {}
    fine = True
    for arg in call.args:
        param = params.get(arg.name.value)
        value = typer.type(arg.value)
        if param is None:
            takes = ", ".join(f"`{name}`" for name in params) or "nothing"
            typer.report.error(
                "SCR213",
                f"`{spec.name}` has no parameter `{arg.name.value}`",
                arg.name.span,
                hint=near(arg.name.value, params) or f"it takes {takes}",
            )
            fine = False
        elif arg.name.value in args:
            typer.report.error("SCR213", f"`{arg.name.value}` is given twice", arg.name.span, hint="keep one")
            fine = False
        elif value is None or not fits(param, value, typer):
            fine = False
        else:
            args[arg.name.value] = value
    return args if fine else None


def fits(param: ParamSpec, value: Expression, typer: Typer) -> bool:
    """Whether a parameter takes this value; if not, it was reported."""
    if not any(_same_kind(wanted, value.type) for wanted in param.types):
        wanted = " or ".join(str(one) for one in param.types)
        typer.report.error(
            "SCR213",
            f"`{param.name}` takes a {wanted}, not `{value.text}`",
            value.span,
            note=str(value.type),
            hint=f"such as `{example_of(param.types[0])}`",
        )
        return False
    if value.type.money and value.type.currency != typer.catalogue.currency:
        typer.report.error(
            "SCR209",
            f"`{value.text}` is not in {typer.catalogue.currency}",
            value.span,
            hint=ONE_CURRENCY,
        )
        return False
    if param.choices and not (isinstance(value, Const) and value.value in param.choices):
        chosen = str(value.value) if isinstance(value, Const) else value.text
        options = ", ".join(f'"{choice}"' for choice in param.choices)
        typer.report.error(
            "SCR213",
            f"`{param.name}` is one of {options}",
            value.span,
            hint=near(chosen, param.choices),
        )
        return False
    return True


def _same_kind(wanted: Type, given: Type) -> bool:
    """Money is of one type here, whatever its currency."""
    return (wanted.base, wanted.dimension, wanted.ratio) == (given.base, given.dimension, given.ratio)


def _complete(call: ast.ActionCall, spec: ActionSpec, typer: Typer) -> bool:
    given = {arg.name.value for arg in call.args}
    if not given <= {param.name for param in spec.params}:
        return False  # a name that it does not have was reported, and may be meant for one that is missing
    missing = [param.name for param in spec.params if param.required and param.name not in given]
    if missing:
        typer.report.error("SCR213", f"`{spec.name}` needs `{missing[0]}`", call.span)
        return False
    if spec.one_of and len(given & set(spec.one_of)) != 1:
        options = " or ".join(f"`{name}`" for name in spec.one_of)
        hint = f"such as `{spec.name}({spec.one_of[-1]} = …)`"
        what = "needs" if not given & set(spec.one_of) else "takes only one of"
        typer.report.error("SCR213", f"`{spec.name}` {what} {options}", call.span, hint=hint)
        return False
    return True
