"""The built-in actions and the providers that carry them out; a room each, which imports `scrimp.api` only."""
