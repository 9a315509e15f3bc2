//! Records that hold secrets, as JSON: what is kept, and what is sealed.

use std::fmt::{self, Write};

use serde_json::Value;

use crate::secret::Wipe;

/// Writes a record into a buffer of its size, and wipes what it was made of: no other copy of a secret is left.
///
/// The caller puts the text into a type that wipes it in turn.
pub(crate) fn write(mut record: Value) -> String {
    // A buffer that grows leaves what it outgrew behind.
    let mut length = Length(0);
    let measured = write!(length, "{record}");
    let mut text = String::with_capacity(length.0);
    let written = measured.and_then(|()| write!(text, "{record}"));
    debug_assert!(written.is_ok(), "a buffer in memory does not fail");
    wipe(&mut record);
    text
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.wipe(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_written_whole_into_a_buffer_of_its_size() {
        let record =
            || json!({"v": "1", "secret": "s\"é\n", "more": [["name", "x".repeat(1000)], null, 1, true]});
        let text = write(record());
        assert_eq!((text.as_str(), text.capacity()), (record().to_string().as_str(), text.len()));
    }

    #[test]
    fn what_a_record_was_made_of_is_wiped() {
        let mut record = json!({"a": "secret", "b": [["name", "secret"]], "c": 1});
        wipe(&mut record);
        assert!(!record.to_string().contains("secret"), "{record}");
    }
}
