//! The grammar of `store.url`.

use std::path::PathBuf;

use super::super::{Node, RedisUrl, Secret, StoreUrl, Tls, Topology};

fn node(host: &str, port: u16) -> Node {
    Node { host: host.to_owned(), port }
}

fn standalone(host: &str, port: u16) -> RedisUrl {
    RedisUrl {
        topology: Topology::Standalone(node(host, port)),
        db: 0,
        username: None,
        password: None,
        tls: None,
    }
}

fn sentinel(nodes: Vec<Node>, master: &str) -> RedisUrl {
    RedisUrl { topology: Topology::Sentinel { nodes, master: master.to_owned() }, ..standalone("", 0) }
}

#[test]
fn each_form_is_read_as_it_is_meant() {
    let tls = |ca: Option<&str>, pair: Option<(&str, &str)>| {
        let (cert, key) = pair.map(|(cert, key)| (PathBuf::from(cert), PathBuf::from(key))).unzip();
        Some(Tls { ca: ca.map(PathBuf::from), cert, key })
    };
    for (text, expected) in [
        ("redis://h", standalone("h", 6379)),
        ("redis://h/", standalone("h", 6379)),
        ("redis://h:1/15", RedisUrl { db: 15, ..standalone("h", 1) }),
        ("redis://[2001:DB8::1]:7/0", standalone("2001:db8::1", 7)),
        ("redis://[::1]", standalone("::1", 6379)),
        (
            "redis://:p%40%2F%3Aé@h",
            RedisUrl { password: Some(Secret::new("p@/:é".to_owned())), ..standalone("h", 6379) },
        ),
        (
            "redis://us%65r:p:q@h",
            RedisUrl {
                username: Some("user".to_owned()),
                password: Some(Secret::new("p:q".to_owned())),
                ..standalone("h", 6379)
            },
        ),
        ("rediss://h", RedisUrl { tls: tls(None, None), ..standalone("h", 6379) }),
        ("redis://h?ca=/ca.pem", RedisUrl { tls: tls(Some("/ca.pem"), None), ..standalone("h", 6379) }),
        (
            "rediss://h/2?key=k&ca=a%20b&cert=c",
            RedisUrl { tls: tls(Some("a b"), Some(("c", "k"))), db: 2, ..standalone("h", 6379) },
        ),
        ("redis+sentinel://a:1,b/m", sentinel(vec![node("a", 1), node("b", 26379)], "m")),
        ("redis+sentinel://a/m/3", RedisUrl { db: 3, ..sentinel(vec![node("a", 26379)], "m") }),
        (
            "rediss+sentinel://a/m/",
            RedisUrl { tls: tls(None, None), ..sentinel(vec![node("a", 26379)], "m") },
        ),
        (
            "rediss+cluster://a:7000,[::1]:7001",
            RedisUrl {
                topology: Topology::Cluster { nodes: vec![node("a", 7000), node("::1", 7001)] },
                tls: tls(None, None),
                ..standalone("", 0)
            },
        ),
    ] {
        let read = StoreUrl::parse(text).unwrap_or_else(|rule| panic!("{text}: {rule}"));
        assert_eq!(read, StoreUrl::Redis(expected), "{text}");
        if !text.contains('p') {
            assert_eq!(StoreUrl::parse(&read.redacted()), Ok(read), "{text}");
        }
    }
    assert_eq!(StoreUrl::parse("memory:"), Ok(StoreUrl::Memory));
    assert_eq!(StoreUrl::parse("embedded:/a b"), Ok(StoreUrl::Embedded { path: "/a b".into() }));
}

#[test]
fn other_forms_are_refused() {
    for text in [
        "",
        "h",
        "redis:",
        "redis:h",
        "redis:///0",
        "http://h",
        "REDIS://h",
        "unix:///s",
        "memory:x",
        "embedded:",
        // Hosts and ports.
        "redis://",
        "redis://:1",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:+1",
        "redis://h:1x",
        "redis://a,b",
        "redis://::1",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[x]",
        "redis://h h",
        "redis://h\n",
        "redis://é",
        "redis+cluster://a,,b",
        "redis+cluster://",
        "redis+sentinel:///m",
        // Users and passwords.
        "redis://user@h",
        "redis://user:@h",
        "redis://:@h",
        "redis://:%@h",
        "redis://:%4@h",
        "redis://:%zz@h",
        "redis://:%+1@h",
        "redis://:%ff@h",
        "redis://:a%0Ab@h",
        "redis://:a/b@h",
        "redis://:a?b@h",
        "redis://:a#b@h",
        // Databases and groups.
        "redis://h/x",
        "redis://h/-1",
        "redis://h/+1",
        "redis://h/65536",
        "redis://h/1/2",
        "redis+cluster://h/0",
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel://h//1",
        "redis+sentinel://h/m/x",
        "redis+sentinel://h/a%20b",
        // Files.
        "rediss://h?",
        "rediss://h?x=1",
        "rediss://h?ca",
        "rediss://h?ca=",
        "rediss://h?ca=a&ca=b",
        "rediss://h?cert=c",
        "rediss://h?key=k",
        "redis://h?protocol=resp3",
        "redis://h?insecure",
        "rediss://h#insecure",
    ] {
        assert!(StoreUrl::parse(text).is_err(), "{text} was taken");
    }
}
