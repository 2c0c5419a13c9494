"""What is known of a model that makes vectors: from its own settings, otherwise from the catalogue."""

from xapp.domain.embedding import TextRole
from xapp.served.served_model import ServedModel


def prefix_of(model: ServedModel, role: TextRole) -> str:
    """The text that the model wants before a text of that role."""
    entry = model.file.entry
    match role:
        case TextRole.PLAIN:
            return ""
        case TextRole.QUERY:
            stated, known = model.own.query_prefix, entry.query_prefix if entry else ""
        case TextRole.PASSAGE:
            stated, known = model.own.passage_prefix, entry.passage_prefix if entry else ""
    return known if stated is None else stated


def least_dimensions(model: ServedModel) -> int | None:
    """The fewest numbers to which its vectors may be cut; None: they may not."""
    entry = model.file.entry
    return model.own.min_dimensions or (entry.min_dimensions if entry else None)
