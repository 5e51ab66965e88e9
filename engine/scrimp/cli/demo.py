"""`scrimp demo [STORY]`: scrimp at work, measured. Each story is a module `_demo_STORY` with one click command."""

from importlib import import_module

import click

STORIES = ("local", "spot")
DEFAULT = "local"


class Stories(click.Group):
    """Finds a story by name, and takes the arguments for the default one where none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All stories."""
        return list(STORIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The story's command, or `None`."""
        if cmd_name not in STORIES:
            return None
        command = import_module(f"scrimp.cli._demo_{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`scrimp demo --keep` is `scrimp demo local --keep`."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=Stories)
def command() -> None:
    """See scrimp at work: real workers of this machine (`local`, the default), or spot capacity on a virtual clock (`spot`)."""
