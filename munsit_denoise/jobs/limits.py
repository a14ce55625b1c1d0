"""Rate limits for each key, and for wrong keys from each address; counted in this process or in a shared store."""

import math
import time
from collections import OrderedDict, deque

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from munsit_denoise.errors import CannotGoOn, Quota, TooManyRequests
from munsit_denoise.logs import get_logger

log = get_logger()
WINDOW_S = 60
WRONG_KEYS = 20  # per minute and address
MOST_COUNTED = 50_000  # keys and addresses at a time; the least recent are dropped
IN_MEMORY = "memory://"
WRONG = "Too many wrong API keys came from this address. Please check the key and try again later."


class RateLimits:
    """Sliding windows of a minute. Refused requests do not count."""

    def __init__(self, requests_per_minute: int = 0, storage: Storage | None = None) -> None:
        """0 requests means no limit."""
        self._limiter = MovingWindowRateLimiter(storage or _Times())
        self._requests = RateLimitItemPerMinute(requests_per_minute) if requests_per_minute else None
        self._wrong_keys = RateLimitItemPerMinute(WRONG_KEYS)
        self._reachable = True

    async def count_request(self, key_id: str) -> None:
        """Count a request with a valid key. Raises TooManyRequests."""
        if self._requests is not None:
            await self._count(self._requests, "requests", key_id)

    async def count_wrong_key(self, address: str) -> None:
        """Count an invalid key. Raises TooManyRequests."""
        await self._count(self._wrong_keys, "wrong-keys", address, WRONG)

    async def _count(self, item: RateLimitItem, name: str, who: str, message: str | None = None) -> None:
        """Count one request; if the store is unreachable, nothing is refused."""
        try:
            allowed = await self._limiter.hit(item, name, who)
            free_at_s = 0.0 if allowed else (await self._limiter.get_window_stats(item, name, who)).reset_time
        except StorageError as error:
            self._tell(reachable=False, reason=repr(error.storage_error))
            return
        self._tell(reachable=True)
        if not allowed:
            wait_s = min(max(math.ceil(free_at_s - time.time()), 1), WINDOW_S)
            raise TooManyRequests(Quota(name, item.amount, WINDOW_S), wait_s, message)

    def _tell(self, *, reachable: bool, reason: str | None = None) -> None:
        if reachable is not self._reachable:
            self._reachable = reachable
            log.warning(
                "requests are counted again" if reachable else "requests cannot be counted",
                reason=reason,
            )


class _Times(MemoryStorage):
    """Times of counted requests. The base class copies a list per key and scans all keys in threads."""

    def __init__(self) -> None:
        super().__init__()
        self._times_s: OrderedDict[str, deque[float]] = OrderedDict()  # the most recently used at the end

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count one request if the limit allows it."""
        now_s = time.monotonic()
        self._forget(now_s - expiry)
        times_s = self._times_s.get(key) or deque()
        _drop(times_s, now_s - expiry)
        if len(times_s) + amount > limit:
            return False
        times_s.extend([now_s] * amount)
        self._times_s[key] = times_s
        self._times_s.move_to_end(key)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return the start of the window in seconds since 1970, and the number of requests in it."""
        now_s = time.monotonic()
        times_s = deque(self._times_s.get(key) or ())  # a copy: what is kept must not become empty
        _drop(times_s, now_s - expiry)
        return time.time() - (now_s - times_s[0] if times_s else 0.0), len(times_s)

    def _forget(self, before_s: float) -> None:
        while self._times_s:
            oldest = next(iter(self._times_s))
            if self._times_s[oldest][-1] > before_s and len(self._times_s) < MOST_COUNTED:
                return
            del self._times_s[oldest]


def _drop(times_s: deque[float], before_s: float) -> None:
    while times_s and times_s[0] <= before_s:
        times_s.popleft()


def open_limits(requests_per_minute: int, url: str) -> RateLimits:
    """Return limits whose counts are at a URL of the limits package. Raises CannotGoOn."""
    if url == IN_MEMORY:
        return RateLimits(requests_per_minute)
    try:
        storage = storage_from_string(f"async+{url}", wrap_exceptions=True)
    except ConfigurationError as error:
        reason = str(error).partition(". ")[0].replace(url, url.partition(":")[0])  # the URL may contain a password
        mend = f"Install what its kind of storage needs, or use {IN_MEMORY}"
        raise CannotGoOn(f"DENOISE_RATE_LIMIT_URL cannot be used: {reason}. {mend}") from None
    assert isinstance(storage, Storage)
    return RateLimits(requests_per_minute, storage)
