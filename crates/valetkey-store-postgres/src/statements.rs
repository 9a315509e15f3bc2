//! What PostgreSQL is asked, one statement each. Time is the server's.

/// The longest record that is kept and read, in bytes.
pub(crate) const LONGEST: usize = 1 << 20;

/// The statements, with the names of the tables.
pub(crate) struct Statements {
    pub(crate) load: String,
    pub(crate) put_first: String,
    pub(crate) put_next: String,
    pub(crate) take: String,
    pub(crate) list: String,
    pub(crate) lease: String,
    pub(crate) release: String,
    pub(crate) sweep: [String; 2],
    pub(crate) migrate: String,
}

/// What names of tables may be long beside what stands after the prefix.
pub(crate) const LONGEST_PREFIX: usize = 63 - "records_expires_at".len();

impl Statements {
    pub(crate) fn new(schema: Option<&str>, prefix: &str) -> Self {
        let place = schema.map_or_else(String::new, |schema| format!("{}.", quoted(schema)));
        let name = |name: &str| quoted(&format!("{prefix}{name}"));
        let (records, leases) = (format!("{place}{}", name("records")), format!("{place}{}", name("leases")));
        // Names are told apart by a digest, because an index takes no long texts.
        let migrate = format!(
            r#"SELECT pg_advisory_xact_lock({LOCK});
CREATE TABLE IF NOT EXISTS {records} (
  id bytea PRIMARY KEY,
  key text COLLATE "C" NOT NULL,
  generation bigint NOT NULL CHECK (generation > 0),
  text text NOT NULL,
  expires_at timestamptz
);
CREATE INDEX IF NOT EXISTS {key} ON {records} (left(key, 512) COLLATE "C");
CREATE INDEX IF NOT EXISTS {expires_at} ON {records} (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS {leases} (
  id bytea PRIMARY KEY,
  owner text NOT NULL,
  until timestamptz NOT NULL
)"#,
            key = name("records_key"),
            expires_at = name("records_expires_at"),
        );
        Self {
            load: format!(
                "SELECT key, generation, CASE WHEN octet_length(text) <= {LONGEST} THEN text END, octet_length(text)
                 FROM {records} WHERE id = $1 AND (expires_at > now()) IS NOT FALSE"
            ),
            // One that is over is nothing.
            put_first: format!(
                "INSERT INTO {records} AS it (id, key, generation, text, expires_at)
                 VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
                 ON CONFLICT (id) DO UPDATE SET key = excluded.key, generation = excluded.generation,
                   text = excluded.text, expires_at = excluded.expires_at
                 WHERE it.expires_at <= now() RETURNING true"
            ),
            put_next: format!(
                "UPDATE {records} SET generation = $3, text = $4, expires_at = now() + $5 * interval '1 millisecond'
                 WHERE id = $1 AND key = $2 AND generation = $3 - 1 AND text IS NOT NULL
                   AND (expires_at > now()) IS NOT FALSE RETURNING true"
            ),
            // What cannot be read is not taken away.
            take: format!(
                "DELETE FROM {records} WHERE id = $1 AND key = $2 AND generation > 0
                   AND octet_length(text) <= {LONGEST} AND (expires_at > now()) IS NOT FALSE
                 RETURNING key, generation, text, octet_length(text)"
            ),
            // Names are ASCII, and nothing in them sorts behind DEL.
            list: format!(
                r#"SELECT key FROM {records}
                   WHERE left(key, 512) COLLATE "C" >= left($1, 512) AND left(key, 512) COLLATE "C" < left($1, 512) || chr(127)
                     AND starts_with(key, $1) AND (expires_at > now()) IS NOT FALSE LIMIT $2"#
            ),
            // A lease that never ends is nobody's: this statement writes none.
            lease: format!(
                "INSERT INTO {leases} AS it (id, owner, until) VALUES ($1, $2, now() + $3 * interval '1 millisecond')
                 ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until = excluded.until
                 WHERE it.owner = excluded.owner OR (it.until > now() AND isfinite(it.until)) IS NOT TRUE RETURNING true"
            ),
            release: format!("DELETE FROM {leases} WHERE id = $1 AND owner = $2 RETURNING true"),
            sweep: [
                format!("DELETE FROM {records} WHERE expires_at <= now() RETURNING true"),
                format!("DELETE FROM {leases} WHERE until <= now() RETURNING true"),
            ],
            migrate,
        }
    }
}

/// The number of the lock that keeps two who make the tables at once apart.
const LOCK: i64 = i64::from_be_bytes(*b"valetkey");

/// A name, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
