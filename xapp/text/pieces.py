"""PieceTable: the bytes of a model's tokens, in the server."""

from array import array

from xapp.text.messages import Loaded


class PieceTable(dict[int, bytes]):
    """The bytes of each token, looked up once, then an item of the dict. Raises ValueError for other ids."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self._text = loaded.pieces
        self._starts = array("I", loaded.starts)

    def __missing__(self, token: int) -> bytes:
        if not 0 <= token < len(self._starts) - 1:
            raise ValueError(f"token {token} is outside the vocabulary of {len(self._starts) - 1}")
        piece = self[token] = self._text[self._starts[token] : self._starts[token + 1]]
        return piece
