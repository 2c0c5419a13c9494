"""Sizes for people."""


def size_text(count: int | None) -> str:
    """Decimal units, as disks and the hub count."""
    if count is None:
        return ""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
