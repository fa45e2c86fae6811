//! What the world asserts by itself after every test.

use std::sync::atomic::Ordering;

use super::{CLIENT_SECRET, HOST, World, exchange, logs};

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut faults = Vec::new();
        self.look_for_leaks(&mut faults);
        self.look_for_hits(&mut faults);
        if !self.unchecked.load(Ordering::SeqCst) {
            self.look_for_losses(&mut faults);
            self.look_for_immortals(&mut faults);
        }
        assert!(faults.is_empty(), "the world's oracles: {faults:#?}");
    }
}

impl World {
    fn look_for_leaks(&self, faults: &mut Vec<String>) {
        let mut secrets = self.sandbox.issued_secrets();
        secrets.push(CLIENT_SECRET.to_owned());
        secrets.push("SEC_MARK".to_owned());
        let metrics: String = if self.unchecked.load(Ordering::SeqCst) {
            String::new()
        } else {
            (0..self.instances.len()).map(|n| self.metrics(n)).collect()
        };
        let transcript = String::from_utf8_lossy(&self.evidence.transcript.lock().unwrap()).into_owned();
        let logs = logs();
        for secret in &secrets {
            for (place, text) in [("browser", &transcript), ("log", &logs), ("metrics", &metrics)] {
                if text.contains(secret.as_str()) {
                    faults.push(format!("LEAK: {}… is in the {place}", &secret[..secret.len().min(12)]));
                }
            }
        }
        for cookie in self.evidence.cookies.lock().unwrap().iter() {
            if logs.contains(cookie.as_str()) {
                faults.push("LEAK: a session cookie is in the log".to_owned());
            }
        }
    }

    fn look_for_hits(&self, faults: &mut Vec<String>) {
        let refused = self.evidence.refused.lock().unwrap();
        if refused.is_empty() {
            return;
        }
        let reached: Vec<String> = self
            .sandbox
            .journal()
            .entries()
            .iter()
            .filter_map(|entry| entry.header_str("x-test-request").map(str::to_owned))
            .collect();
        for (number, what) in refused.iter() {
            if reached.contains(&number.to_string()) {
                faults.push(format!("NOHIT: {what} was refused and reached the API"));
            }
        }
    }

    fn look_for_losses(&self, faults: &mut Vec<String>) {
        for instance in &self.instances {
            let answer = exchange(
                instance.address,
                format!("GET /auth/session HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").as_bytes(),
            );
            if !answer.starts_with(b"HTTP/1.1 200") {
                faults.push(format!("LIVE: an instance answers {:?}", String::from_utf8_lossy(&answer)));
            }
        }
        let address = self.instances[0].address;
        for cookie in self.evidence.alive.lock().unwrap().values() {
            let request = format!(
                "GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            );
            let answer = exchange(address, request.as_bytes());
            if !answer.starts_with(b"HTTP/1.1 200") {
                faults.push(format!("LOSS: a session was lost: {:?}", String::from_utf8_lossy(&answer)));
            }
        }
    }

    fn look_for_immortals(&self, faults: &mut Vec<String>) {
        if self.redis.is_none() {
            return;
        }
        let mut connection = redis::Client::open(self.redis().url()).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        for key in keys {
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
            if left == -1 {
                faults.push(format!("TTL: {key} lives for ever"));
            }
        }
    }
}
