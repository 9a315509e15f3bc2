//! A request as it arrived, byte by byte.

use std::{fmt, io::Read};

/// A request as it came over the connection.
#[derive(Clone)]
pub struct Received {
    bytes: Vec<u8>,
    /// Where the body begins.
    body: usize,
}

impl Received {
    /// The whole request; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The request line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        String::from_utf8_lossy(self.lines().next().unwrap_or_default()).into_owned()
    }

    /// What stands between the method and the version.
    #[must_use]
    pub fn target(&self) -> String {
        self.line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The header fields in order: names in lower case, values as they came, without the blanks around.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.lines().skip(1).filter_map(field).collect()
    }

    /// The values of one field, in order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.fields().into_iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
    }

    /// The body; a chunked one together with its framing.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.bytes[..self.body].split(|&byte| byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).take_while(|line| !line.is_empty())
    }
}

/// The head alone: a body can be large.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.bytes[..self.body]))?;
        write!(f, " and {} bytes", self.bytes.len() - self.body)
    }
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// Reads a request, and calls `begun` when its first byte is there; `None` if the client left before its end.
pub(crate) fn read_request(stream: &mut impl Read, begun: impl FnOnce()) -> Option<Received> {
    let (mut bytes, mut byte, mut begun) = (Vec::new(), [0], Some(begun));
    while !bytes.ends_with(b"\r\n\r\n") {
        let Ok(1) = stream.read(&mut byte) else { return None };
        if let Some(begun) = begun.take() {
            begun();
        }
        bytes.push(byte[0]);
    }
    let mut received = Received { body: bytes.len(), bytes };
    let length = received.values("content-length").pop();
    if let Some(length) = length.and_then(|length| String::from_utf8(length).ok()?.parse().ok()) {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        received.bytes.extend(body);
    } else if !received.values("transfer-encoding").is_empty() {
        while !received.body().ends_with(b"0\r\n\r\n") {
            let Ok(1) = stream.read(&mut byte) else { return None };
            received.bytes.push(byte[0]);
        }
    }
    Some(received)
}
