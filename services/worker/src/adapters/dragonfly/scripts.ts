/**
 * Senders that use the store, and until when each of them counts, microseconds. While some cannot reach it they
 * keep to their share, so what is shared here is only the part of those present.
 */
const PRESENCE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 60000)
local present = redis.call('ZCARD', KEYS[1])
`;

/** KEYS: presence. ARGV: sender, microseconds it counts for. */
export const PRESENT = `${PRESENCE} return present`;

/**
 * GCRA of several limits at once, by the server's clock. KEYS: presence, then one a limit; ARGV: sender,
 * microseconds it counts for, live senders, wanted tokens, then interval in microseconds and burst of each. A
 * limit that was not used lately starts with its burst spent, 100 ms late and at half its speed for 400 ms, since
 * the first messages wait for cold connections and arrive together with later ones. A limit's value is its
 * theoretical arrival time and when it was first used. Returns granted tokens and, when none, microseconds to wait.
 */
export const LEASE = `${PRESENCE}
local part = math.max(tonumber(ARGV[3]), present) / present
local granted = tonumber(ARGV[4])
local wait = 0
local tats, costs, firsts = {}, {}, {}
for i = 2, #KEYS do
  local interval = tonumber(ARGV[2 * i + 1]) * part
  local burst = math.max(1, math.floor(tonumber(ARGV[2 * i + 2]) / part))
  local known = redis.call('GET', KEYS[i])
  if not known then
    known = string.format('%.0f %.0f', now + math.min(burst * interval, 50000) + 100000, now)
    redis.call('SET', KEYS[i], known, 'PX', 1000)
  end
  local tat, first = string.match(known, '(%d+) (%d+)')
  tat = math.max(tonumber(tat), now)
  local cost = interval
  if now - tonumber(first) < 400000 then cost = interval + math.min(interval, 50000) end
  tats[i], costs[i], firsts[i] = tat, cost, first
  local free = math.floor((now + burst * interval - tat) / cost)
  if free < granted then granted = math.max(free, 0) end
  wait = math.max(wait, tat + cost - burst * interval - now)
end
if granted == 0 then return {0, math.max(1, math.ceil(wait))} end
for i = 2, #KEYS do
  local tat = tats[i] + granted * costs[i]
  redis.call('SET', KEYS[i], string.format('%.0f %s', tat, firsts[i]), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
return {granted, 0}
`;

/**
 * Seats of a concurrency limit. KEYS: presence, seats (sender -> "held wanted expiry"). ARGV: sender,
 * microseconds it counts for, live senders, limit, messages in flight, wanted (1 or 0), microseconds that seats
 * are kept without being asked for again. Who wants seats while others want them too goes down to a fair part,
 * and gets more only when it is free; what a sender has in flight it keeps, so the sum never exceeds the limit.
 */
export const SEATS = `${PRESENCE}
local senders = math.max(tonumber(ARGV[3]), present)
local limit = tonumber(ARGV[4])
local usable = limit - (senders - present) * math.ceil(limit / senders)
local inflight = tonumber(ARGV[5])
local wanted = tonumber(ARGV[6])
local held, wishing, hungry = 0, wanted, false
local others = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local h, w, expiry = string.match(all[i + 1], '(%d+) (%d) (%d+)')
  if tonumber(expiry) < now then redis.call('HDEL', KEYS[2], all[i])
  elseif all[i] ~= ARGV[1] then
    held = held + tonumber(h)
    wishing = wishing + tonumber(w)
    if w == '1' then others[#others + 1] = tonumber(h) end
  end
end
local fair = math.max(1, math.floor(usable / math.max(1, wishing)))
for _, h in ipairs(others) do if h < fair then hungry = true end end
local target = 0
if wanted == 1 then
  target = math.max(0, usable - held)
  if hungry then target = math.min(target, fair) end
end
redis.call('HSET', KEYS[2], ARGV[1],
  string.format('%d %d %.0f', math.max(inflight, target), wanted, now + tonumber(ARGV[7])))
redis.call('PEXPIRE', KEYS[2], 60000)
return target
`;
