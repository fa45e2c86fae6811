//! Requests at random, most of them near the rules' edges.

use super::oracle::{FIELDS, Fate};
use crate::support::world::HOST;

/// One request.
pub(super) struct Case {
    pub(super) method: &'static str,
    pub(super) target: Vec<u8>,
    /// Name, value and whether the API shall see it, by the table alone.
    pub(super) fields: Vec<(String, Vec<u8>, Fate)>,
    /// Names in `Connection`, as they are written.
    pub(super) nominated: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) chunked: bool,
}

impl Case {
    /// The request, from our own page in the session of that cookie.
    pub(super) fn bytes(&self, number: u64, cookie: &str) -> Vec<u8> {
        let mut bytes = self.method.as_bytes().to_vec();
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        let head = format!(
            " HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nX-Case: {number}\r\n"
        );
        bytes.extend_from_slice(head.as_bytes());
        for (name, value, _) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.nominated.is_empty() {
            bytes.extend_from_slice(format!("Connection: {}\r\n", self.nominated.join(", ")).as_bytes());
        }
        match (self.chunked, self.body.len()) {
            (true, _) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for piece in self.body.chunks(7) {
                    bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    bytes.extend_from_slice(piece);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            (false, 0) => bytes.extend_from_slice(b"\r\n"),
            (false, length) => {
                bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
                bytes.extend_from_slice(&self.body);
            }
        }
        bytes
    }

    /// Whether the request leaves the connection as it was.
    pub(super) fn keeps(&self) -> bool {
        !self.nominated.iter().any(|name| name.eq_ignore_ascii_case("close"))
    }

    /// For a test that fails.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes(0, "…")).into_owned()
    }
}

/// A source of chance that is the same everywhere (SplitMix64).
pub(super) struct Draw(u64);

impl Draw {
    /// The case of that number in the run of that seed.
    pub(super) fn case(seed: u64, number: u64) -> Case {
        let mut draw = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let method = draw.one(&["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
        let target = draw.target();
        let fields: Vec<_> = (0..draw.below(8)).map(|_| draw.field()).collect();
        let nominated = (0..draw.below(4)).filter(|_| draw.below(2) == 0).collect::<Vec<_>>();
        let nominated = nominated.into_iter().map(|_| draw.nomination(&fields)).collect();
        let with_body = !matches!(method, "GET" | "HEAD" | "OPTIONS") || draw.below(8) == 0;
        let body = if with_body { draw.body() } else { Vec::new() };
        let chunked = with_body && draw.below(3) == 0;
        Case { method, target, fields, nominated, body, chunked }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn target(&mut self) -> Vec<u8> {
        let begin = if self.below(6) > 0 { "/v2/" } else { self.one(&BEGINNINGS) };
        let mut target = begin.as_bytes().to_vec();
        let wild = self.below(4) == 0;
        for _ in 0..self.below(7) {
            let piece = if wild { self.one(&WILD) } else { self.one(&TAME) };
            target.extend_from_slice(piece);
        }
        if self.below(3) == 0 {
            target.push(b'?');
            for _ in 0..self.below(6) {
                let piece = if self.below(12) == 0 { self.one(&WILD_QUERY) } else { self.one(&QUERY) };
                target.extend_from_slice(piece);
            }
        }
        if self.below(40) == 0 {
            // Any byte that does not end the request line's target.
            let byte = self.one(&[0x01, 0x0b, 0x0c, 0x7f, 0x80, 0xc3, 0xe9, 0xff, b'#', b'"', b'<']);
            let at = begin.len() + self.below(target.len() - begin.len() + 1);
            target.insert(at, byte);
        }
        target
    }

    fn field(&mut self) -> (String, Vec<u8>, Fate) {
        let (name, fate) = self.one(&FIELDS);
        let mut spelt = String::new();
        let (case, fold) = (self.below(4), self.below(6));
        for character in name.chars() {
            let character = match case {
                0 => character.to_ascii_uppercase(),
                1 if self.below(2) == 0 => character.to_ascii_uppercase(),
                _ => character,
            };
            let folded = match (character, fold) {
                ('-', 0) => '_',
                ('-', 1) if fate == Fate::Stops => '.',
                _ => character,
            };
            spelt.push(folded);
        }
        let value = self.one(&VALUES).to_vec();
        (spelt, value, fate)
    }

    fn nomination(&mut self, fields: &[(String, Vec<u8>, Fate)]) -> String {
        if !fields.is_empty() && self.below(2) == 0 {
            let at = self.below(fields.len());
            return fields[at].0.clone();
        }
        self.one(&OPTIONS).to_owned()
    }

    fn body(&mut self) -> Vec<u8> {
        let piece = self.one(&BODIES);
        piece.repeat(1 + self.below(3))
    }
}

const BEGINNINGS: [&str; 10] = [
    "https://app.test/v2/",
    "/",
    "//",
    "/v2",
    "/V2/",
    "/v3/",
    "/%76%32/",
    "/auth/v2/",
    "/./v2/",
    "/v2/../v2/",
];
const TAME: [&[u8]; 26] = [
    b"me",
    b"a",
    b"recipes",
    b"7",
    b"a%2Fb",
    b"%41",
    b"%e9",
    b"caf%C3%A9",
    b"100%25",
    b"a+b",
    b"a;b=c",
    b"...",
    b".x",
    b"x..",
    b"~u",
    b"!$&'()*,=",
    b"@",
    b":80",
    b"/",
    b"/",
    b"/",
    b"-_.",
    b"%20",
    b"v2",
    b"%2F",
    b"%25zz",
];
const WILD: [&[u8]; 46] = [
    b"..",
    b".",
    b"%2e",
    b"%2E%2e",
    b"%252e",
    b"%25252e",
    b"%2525252e",
    b"%252525252e",
    b"%2f",
    b"%5c",
    b"\\",
    b"%255c",
    b"/",
    b"/",
    b"//",
    b"/../",
    b"/./",
    b";",
    b"..;",
    b"%3b",
    b"%00",
    b"%0d%0a",
    b"%7f",
    b"%1f",
    b"%c0%ae",
    b"%c0%af",
    b"%e0%80%af",
    b"%f0%80%80%ae",
    b"%",
    b"%z",
    b"%2",
    b"%u002e",
    b"a",
    b"me",
    b"{",
    b"|",
    b"^",
    b"`",
    b"[",
    b"]",
    b"%25",
    b"2e",
    b"2f",
    b"@",
    b"&access_token=x",
    b"http://evil.example/",
];
const QUERY: [&[u8]; 24] = [
    b"a=b",
    b"&",
    b"&",
    b"=",
    b"x=%7B",
    b"y=a+b",
    b"fields=A",
    b"/",
    b"?",
    b"..",
    b"/../",
    b"%2e%2e/",
    b"%00",
    b"%0d%0a",
    b"%zz",
    b"%",
    b";",
    b"url=http://evil.example/",
    b"tokens=1",
    b"my_access_token=1",
    b"a[]=1",
    b"{|}^`",
    b"\\",
    b"token2",
];
const WILD_QUERY: [&[u8]; 12] = [
    b"&access_token=x",
    b"&token=x",
    b";access_token",
    b"&ACCESS_TOKEN=x",
    b"&access%5Ftoken=1",
    b"&access%255ftoken=1",
    b"&%74oken",
    b"'",
    b"\"",
    b"<",
    b">",
    b"&+token+=1",
];
const VALUES: [&[u8]; 14] = [
    b"EVIL",
    b"1",
    b"EVIL, EVIL",
    b"a=\"EVIL\"",
    b"caf\xe9 EVIL",
    b"for=6.6.6.6;EVIL",
    b"",
    b"EVIL\tx",
    b"Bearer EVIL",
    b"/v2/EVIL",
    b"http://evil.example/EVIL",
    b"2",
    b"trailers",
    b"x; y=EVIL",
];
const OPTIONS: [&str; 16] = [
    "keep-alive",
    "keep-alive",
    "close",
    "authorization",
    "Authorization",
    "via",
    "x-forwarded-for",
    "x_forwarded_for",
    "forwarded",
    "host",
    "x-mine",
    "X-Unknown",
    "content-type",
    "x-case-not",
    "te",
    "",
];
const BODIES: [&[u8]; 5] = [
    b"{}",
    b"GET /admin HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
    b"\0\xff\r\n",
    b"access_token=x&a=b",
];
