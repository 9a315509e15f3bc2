//! The parameters of a request, wherever they stand (RFC 5849 §3.4.1.3.1), as octets: a signature is over
//! octets, and what is no UTF-8 must not look like something else.

use http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::refusal::Refusal;
use crate::message::Asked;

/// A decoded name and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Where parameters stand (RFC 5849 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Header,
    Body,
    Query,
}

/// All parameters with their source, but `realm` of the header.
pub(super) fn gather(headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Vec<(Source, Pair)>, Refusal> {
    let mut found = Vec::new();
    let mut add = |source, pairs: Vec<Pair>| found.extend(pairs.into_iter().map(|pair| (source, pair)));
    let mut schemes = headers.get_all(AUTHORIZATION).iter().filter_map(|value| of_scheme(value.as_bytes()));
    if let Some(rest) = schemes.next() {
        let params = header_params(rest).ok_or_else(|| Refusal::rejected("the header cannot be read"))?;
        add(Source::Header, params);
    }
    if schemes.next().is_some() {
        return Err(Refusal::rejected("two Authorization headers"));
    }
    add(Source::Query, form_params(query.as_bytes()));
    if is_form(headers) {
        add(Source::Body, form_params(body));
    }
    Ok(found)
}

/// The protocol parameters of a request as text, for the transcript; none if it cannot be read.
pub(crate) fn protocol_params(asked: Asked<'_>) -> Vec<(String, String)> {
    let found = gather(asked.headers, asked.query, asked.body).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let protocol = found.iter().filter(|(_, (name, _))| name.starts_with(b"oauth_"));
    protocol.map(|(_, (name, value))| (text(name), text(value))).collect()
}

/// Whether the body is a single-part form (RFC 5849 §3.4.1.3.1).
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// What follows the scheme `OAuth`, which is written in any case (RFC 5849 §3.5.1).
pub(super) fn of_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(5)?;
    let follows = rest.first().is_none_or(|byte| b" \t".contains(byte));
    (scheme.eq_ignore_ascii_case(b"OAuth") && follows).then_some(rest)
}

/// `name="value"`, separated by commas (RFC 5849 §3.5.1); `None` if it is anything else.
pub(super) fn header_params(mut rest: &[u8]) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(pairs);
        }
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let name = rest[..equals].trim_ascii_end();
        let quoted = rest[equals + 1..].trim_ascii_start().strip_prefix(b"\"")?;
        let end = quoted.iter().position(|&byte| byte == b'"')?;
        // The one that is not percent-encoded, and not signed.
        if !name.eq_ignore_ascii_case(b"realm") {
            pairs.push((percent_decoded(name), percent_decoded(&quoted[..end])));
        }
        rest = quoted[end + 1..].trim_ascii_start();
        rest = match rest {
            [b',', after @ ..] => after,
            [] => rest,
            _ => return None,
        };
    }
}

/// A query or a form.
pub(super) fn form_params(text: &[u8]) -> Vec<Pair> {
    let pieces = text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    let pair = |piece: &[u8]| {
        let equals = piece.iter().position(|&byte| byte == b'=');
        let (name, value) = equals.map_or((piece, &[][..]), |at| (&piece[..at], &piece[at + 1..]));
        (form_decoded(name), form_decoded(value))
    };
    pieces.map(pair).collect()
}

fn form_decoded(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decoded(&spaced)
}

/// A `%` that begins no escape stays as it is.
fn percent_decoded(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let escape = match (first, rest) {
            (b'%', [high, low, after @ ..]) => digit(*high).zip(digit(*low)).map(|pair| (pair, after)),
            _ => None,
        };
        match escape {
            Some(((high, low), after)) => {
                decoded.push(high << 4 | low);
                text = after;
            }
            None => {
                decoded.push(first);
                text = rest;
            }
        }
    }
    decoded
}
