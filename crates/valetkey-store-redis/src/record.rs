//! What a record is in Redis: one string of a line `v1 GENERATION` and the text.

use valetkey::{
    Error, Reason, Result,
    secret::Secret,
    store::{StoreKey, Stored},
};

use crate::fault::failed;

/// The longest record that is kept and read, in bytes.
pub(crate) const LONGEST: usize = 1 << 20;

/// What the first line says of the version.
const VERSION: &str = "v1 ";

/// The first line of the record of this generation; nothing before the first one.
pub(crate) fn head(generation: u64) -> String {
    if generation == 0 { String::new() } else { format!("{VERSION}{generation}\n") }
}

/// Reads a whole record; `None` if nothing is there.
pub(crate) fn parse(key: &StoreKey, bytes: &[u8]) -> Result<Option<Stored>> {
    if bytes.len() > LONGEST {
        return Err(unreadable(key, "is longer than 1 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable(key, "is no text"))?;
    let Some(generation) = generation(key, text)? else { return Ok(None) };
    let text = text.split_once('\n').map_or("", |(_, text)| text);
    Ok(Some(Stored { generation, text: Secret::new(text) }))
}

/// Reads the first line of a record; `None` if nothing is there.
pub(crate) fn generation(key: &StoreKey, text: &str) -> Result<Option<u64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let line = text.split_once('\n').map(|(line, _)| line);
    let digits = line.and_then(|line| line.strip_prefix(VERSION));
    let generation: u64 = digits.and_then(|digits| digits.parse().ok()).unwrap_or_default();
    // As it is written, and not otherwise: no sign, no zero in front.
    if generation == 0 || digits != Some(generation.to_string().as_str()) {
        let is_newer = line.is_some_and(|line| line.starts_with('v') && !line.starts_with(VERSION));
        return Err(unreadable(
            key,
            if is_newer { "was written by a newer version" } else { "is no record" },
        ));
    }
    Ok(Some(generation))
}

/// Something else than a record stands under this name.
pub(crate) fn unreadable(key: &StoreKey, what: &str) -> Error {
    let what = format!("{} {what}; it is left as it is: move it away to sign in anew", key.as_str());
    failed(Reason::Malformed, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written_and_not_otherwise() {
        let key = StoreKey::of(&["a"]);
        for generation in [1, 9, 10, u64::MAX] {
            let stored = parse(&key, format!("{}a\nb", head(generation)).as_bytes()).unwrap().unwrap();
            assert_eq!((stored.generation, stored.text.expose()), (generation, "a\nb"));
        }
        assert_eq!(parse(&key, b"").unwrap(), None);
        let junk: [&[u8]; 11] = [
            b"\n",
            b"v1 1",
            b"v1 0\nx",
            b"v1 -1\nx",
            b"v1 +1\nx",
            b"v1 01\nx",
            b"v1 18446744073709551616\nx",
            b"v2 1\nx",
            b"{}",
            b"v1 1\n\xff",
            &[b'1'; LONGEST + 1],
        ];
        for bytes in junk {
            assert_eq!(parse(&key, bytes).unwrap_err().reason(), Reason::Malformed);
        }
    }
}
