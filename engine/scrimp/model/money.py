"""Amounts of money for APIs: never a bare float without its currency."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in units of a currency (ISO 4217). What it is per, if anything, stands in the name that holds it."""

    amount: float
    currency: str

    def __add__(self, other: "Money") -> "Money":
        """The sum; both must be of one currency."""
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount + other.amount, self.currency)

    def as_json(self) -> dict[str, object]:
        """The form of all JSON contracts."""
        return {"amount": self.amount, "currency": self.currency}

    def __str__(self) -> str:
        sign = "-" if self.amount < 0 else ""
        symbol = SYMBOLS.get(self.currency, f"{self.currency} ")
        return f"{sign}{symbol}{abs(self.amount):,.2f}"


SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
