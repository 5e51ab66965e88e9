"""*Did you mean*: the known word that is nearest to an unknown one."""

from collections.abc import Iterable


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate within a third of the word's length in edits (insert, delete, change, swap); ties by name."""
    folded = word.lower()
    best: tuple[int, str] | None = None
    for candidate in set(candidates):
        allowed = max(1, max(len(word), len(candidate)) // 3)
        hopeless = len(word) < 3 or abs(len(word) - len(candidate)) > allowed
        if hopeless and candidate.lower() != folded:
            continue
        found = (_distance(folded, candidate.lower()), candidate)
        if candidate != word and found[0] <= allowed and (best is None or found < best):
            best = found
    return best[1] if best else None


def _distance(left: str, right: str) -> int:
    """Edits between two words, a swap of neighbours counted as one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        before_that, before, row = before, row, [i] + [0] * len(right)
        for j, b in enumerate(right, start=1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                row[j] = min(row[j], before_that[j - 2] + 1)
    return row[-1]
