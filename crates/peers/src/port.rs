//! Ports for programs that cannot choose one themselves.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the range from which systems take the ports of outgoing connections (32768 on Linux, 49152 elsewhere):
/// nobody takes the port by accident between a server's end and its restart.
const RANGE: Range<u16> = 20_000..32_000;

/// A loopback port that nobody listens on. Another process may take it before it is used, so whoever uses it
/// must be ready to try the next.
pub(crate) fn free() -> u16 {
    let start = RandomState::new().build_hasher().finish();
    let length = u64::from(RANGE.end - RANGE.start);
    let mut candidates = (0..length).map(|step| RANGE.start + ((start % length + step) % length) as u16);
    candidates
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of 12,000 ports is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let mut held = Vec::new();
        for _ in 0..50 {
            let port = free();
            assert!(RANGE.contains(&port));
            held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        }
    }
}
