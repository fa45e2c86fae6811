//! A small reader of `multipart/form-data` (RFC 7578), for bodies that are in memory.
//!
//! Stricter than RFC 2046 asks for: no preamble, no files, UTF-8 only. The token endpoint has
//! no use for more, and a client that sends more is to be noticed.

/// The fields in the order sent; `None` if the body is not well-formed.
pub(crate) fn fields(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = parameter(content_type, "boundary")?;
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes())?;
    let mut fields = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return matches!(end, b"" | b"\r\n").then_some(fields);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let length = find(part, delimiter.as_bytes())?;
        fields.push(field(&part[..length])?);
        rest = &part[length + delimiter.len()..];
    }
}

fn field(part: &[u8]) -> Option<(String, String)> {
    let head_length = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..head_length]).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    })?;
    let kind = disposition.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("form-data") || parameter(disposition, "filename").is_some() {
        return None;
    }
    let name = parameter(disposition, "name")?;
    let value = std::str::from_utf8(&part[head_length + 4..]).ok()?;
    Some((name, value.to_owned()))
}

/// A parameter of a header value: `; name=token` or `; name="quoted"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        let after = after.trim_start();
        let (value, following) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end(), &after[end..])
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = following.split_once(';')?.1;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::fields;

    const TYPE: &str = "multipart/form-data; charset=utf-8; boundary=\"x y\"";

    #[test]
    fn fields_come_in_the_order_sent() {
        let body = b"--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x y\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=b\r\n\r\n\r\n--x y--\r\n";
        let expected = vec![("a".to_owned(), "1\r\n2".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(fields(TYPE, body), Some(expected));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let bad: [&[u8]; 6] = [
            b"",
            b"--x y",
            b"--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            b"--x y\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n--x y--",
            b"--x y\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x y--",
            b"preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x y--",
        ];
        for body in bad {
            assert_eq!(fields(TYPE, body), None, "{}", body.escape_ascii());
        }
        assert_eq!(fields("multipart/form-data", b"----"), None);
    }
}
