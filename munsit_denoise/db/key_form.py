"""The format of an API key: `mds_`, 32 random base-62 digits (190 bits) and 6 check digits.

The check digits are the base-62 CRC-32 of the preceding characters. They distinguish a mistyped key from an unknown
one, and let secret scanners recognise keys. With this much randomness, one round of SHA-256 is a sufficient hash.
"""

import hashlib
import hmac
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_letters
BEGINNING = "mds_"
RANDOM_DIGITS = 32
CHECK_DIGITS = 6
SHOWN_DIGITS = 12  # the part of a key that is stored to recognise it: `mds_` and 8 digits


def new_key() -> str:
    """Return a random key."""
    body = BEGINNING + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_DIGITS))
    return body + _check_digits(body)


def is_well_formed(key: str) -> bool:
    """Return whether a string has the format and the check digits of a key."""
    body, check = key[:-CHECK_DIGITS], key[-CHECK_DIGITS:]
    right_length = len(key) == len(BEGINNING) + RANDOM_DIGITS + CHECK_DIGITS
    return right_length and key.isascii() and hmac.compare_digest(check, _check_digits(body))


def hash_key(key: str) -> str:
    """Return the hash of a key, which is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def _check_digits(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_DIGITS):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
