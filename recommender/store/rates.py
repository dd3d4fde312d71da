"""How often each client has asked, counted in Redis for all processes and servers together.

A window that slides, as if the requests of the one before had been even: what was counted in it
fades as this one goes on, so that nobody begins anew where one ends. Two numbers a rate are kept,
not every request. What is refused does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from recommender.store.connection import Client, translated

# By Redis's own clock, which is the same for all that ask. For each rate two counts: this window's
# and that of the one before.
COUNT = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local answer, counted = {}, {}
for i = 1, #ARGV, 2 do
  local most, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local window = math.floor(now / seconds)
  local left = (window + 1) * seconds - now
  local key = KEYS[1] .. ':' .. seconds .. ':'
  local before = tonumber(redis.call('GET', key .. (window - 1)) or 0)
  local here = tonumber(redis.call('GET', key .. window) or 0)
  local used = before * left / seconds + here
  local wait = 0
  if used + 1 > most then
    if here + 1 > most then
      wait = left + (here + 1 - most) * seconds / here
    else
      wait = left - (most - here - 1) * seconds / before
    end
  end
  answer[#answer + 1] = {math.max(0, math.floor(most - used - 1)), math.ceil(left), math.ceil(wait)}
  counted[#counted + 1] = {key .. window, 2 * seconds}
  if wait > 0 then counted.refused = true end
end
if not counted.refused then
  for _, each in ipairs(counted) do
    redis.call('INCR', each[1])
    redis.call('EXPIRE', each[1], each[2])
  end
end
return answer
"""


class Counted(NamedTuple):
    """What is left of one rate: how many requests, until the window ends in ``reset`` seconds.

    ``wait`` is how many seconds the client should wait, 0 where it need not.
    """

    limit: int
    left: int
    reset: int
    wait: int


def count(client: Client, who: str, rates: Sequence[tuple[int, int]]) -> Counted:
    """Counts one request of ``who``, unless it is one too many; gives the tightest of ``rates``.

    One round trip. Redis keeps no name: only a digest of it, for two windows. Raises StoreError.
    """
    digest = blake2b(who.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    numbers = [number for rate in rates for number in rate]
    with translated():
        # In braces: in a cluster all that a script touches has to be on one node.
        replies = client.eval(COUNT, 1, f"recommender:rate:{{{digest}}}", *numbers)
    found = [Counted(limit, *reply) for (limit, _), reply in zip(rates, replies, strict=True)]
    return max(found, key=lambda each: (each.wait, -each.left))
