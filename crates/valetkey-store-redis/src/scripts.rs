//! What Redis does in one step: scripts that each touch one key, so that nobody else comes between.

use std::sync::LazyLock;

use redis::Script;

/// Writes a record if the one before it is there. `KEYS[1]`: the record; `ARGV`: the first line of the one before (empty: there
/// is none), the record, and how many milliseconds it is kept (empty: for ever). Gives 1, or the first line of what is there.
pub(crate) static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local before = ARGV[1]
local head = redis.call('GETRANGE', KEYS[1], 0, 31)
if string.sub(head, 1, #before) ~= before or before == '' and head ~= '' then
  return string.match(head, '^[^\n]*\n') or head
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1",
    )
});

/// Deletes a key whose value this is. `KEYS[1]`: the key; `ARGV[1]`: the value. Gives 1 if it did.
pub(crate) static DELETE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])",
    )
});

/// Takes or keeps a lease. `KEYS[1]`: the lease; `ARGV`: the owner, and for how many milliseconds. Gives 1 if it is the owner's.
/// A lease that never ends is nobody's: this script writes none.
pub(crate) static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and redis.call('PTTL', KEYS[1]) >= 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1",
    )
});
