"""Content codings: undone as a whole, piece by piece, and never more at once than a piece."""

import gzip
import zlib

import pytest

from munsit_denoise.remote.coding import PIECE_BYTES, BrokenCoding, Decoder, UnknownCoding

CONTENT = bytes(range(256)) * 4000
RAW = zlib.compressobj(wbits=-15)
CODED = {
    "gzip": gzip.compress(CONTENT),
    "x-gzip": gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]),  # two members
    "deflate": zlib.compress(CONTENT),
    "Deflate": RAW.compress(CONTENT) + RAW.flush(),  # without its wrapping
    "deflate, gzip": gzip.compress(zlib.compress(CONTENT)),
    "identity": CONTENT,
    "aws-chunked": CONTENT,
    "": CONTENT,
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("size", [7, 10**7])
def test_a_coding_is_undone(coding: str, size: int) -> None:
    decoder, body = Decoder(coding), CODED[coding]
    size = min(size, len(body)) if coding.lower() not in ("identity", "aws-chunked", "") else len(body)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join(piece for chunk in chunks for piece in decoder.feed(chunk)) == CONTENT
    assert decoder.complete


def test_a_bomb_comes_in_pieces() -> None:
    pieces = Decoder("gzip").feed(gzip.compress(bytes(50 * 2**20)))
    assert max(len(next(pieces)) for _ in range(10)) <= PIECE_BYTES


def test_what_was_cut_off_is_not_complete() -> None:
    decoder = Decoder("gzip")
    assert b"".join(decoder.feed(CODED["gzip"][:-4]))
    assert not decoder.complete


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip, gzip"])
def test_other_codings_are_not_read(coding: str) -> None:
    with pytest.raises(UnknownCoding):
        Decoder(coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_not_in_its_coding_is_told(coding: str) -> None:
    with pytest.raises(BrokenCoding):
        list(Decoder(coding).feed(b"\xff" * 100))
