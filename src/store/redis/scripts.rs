//! The scripts that run inside Redis, each in one step. Written for Redis 7.0.
//!
//! They are called by their hash (`EVALSHA`) and loaded where Redis does not know them yet.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:ident, $file:literal) => {
        #[doc = concat!("`", $file, "`")]
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));
    };
    ($name:ident, header + $file:literal) => {
        #[doc = concat!("`", $file, "`, with what `header.lua` knows of a record")]
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("header.lua"), include_str!($file))));
    };
}

script!(CREATE, header + "create.lua");
script!(REPLACE, header + "replace.lua");
script!(TOUCH, header + "touch.lua");
script!(TAKE, header + "take.lua");
script!(LEASE, "lease.lua");
script!(RELEASE, "release.lua");
script!(LIMIT, "limit.lua");
script!(MARK, "mark.lua");
script!(REMOVE, header + "remove.lua");
script!(REPEAT_REPLACE, header + "repeat_replace.lua");
script!(ADVANCE_SCHEMA, "advance_schema.lua");
