//! What the proxy does to connections.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use countersign_peers::{Proxy, shared};

#[test]
fn bytes_and_ends_pass_both_ways() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    ask(&mut client, b"hello");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn much_at_once_passes_whole() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = client.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&sent).unwrap());
        let mut received = vec![0; sent.len()];
        client.read_exact(&mut received).unwrap();
        assert!(received == sent);
    });
}

#[test]
fn cut_connections_are_reset_and_new_ones_pass() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    ask(&mut client, b"hello");
    proxy.cut();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    ask(&mut connect(&proxy), b"again");
}

#[test]
fn a_closed_port_refuses_until_it_opens() {
    let proxy = Proxy::to(echo());
    let mut present = connect(&proxy);
    ask(&mut present, b"hello");
    proxy.refuse(true);
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    ask(&mut present, b"still here");
    proxy.refuse(false);
    ask(&mut connect(&proxy), b"again");
}

#[test]
fn what_is_held_back_passes_later() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    ask(&mut client, b"hello");
    proxy.hold(true);
    client.write_all(b"later").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(client.read(&mut [0]).is_err());
    client.set_read_timeout(None).unwrap();
    proxy.hold(false);
    assert_eq!(read(&mut client, 5), b"later");
}

#[test]
fn a_held_connection_can_be_cut() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    ask(&mut client, b"hello");
    proxy.hold(true);
    client.write_all(b"lost").unwrap();
    proxy.cut();
    assert!(client.read(&mut [0]).is_err());
    drop(proxy);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a delay is what this test is about")]
fn each_way_takes_as_long_as_said() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    proxy.delay(Duration::from_millis(30));
    let start = Instant::now();
    ask(&mut client, b"hello");
    assert!(start.elapsed() >= Duration::from_millis(60));
    proxy.delay(Duration::ZERO);
    ask(&mut client, b"quick");
}

#[test]
fn a_server_that_is_not_there_is_a_reset() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let proxy = Proxy::to(nobody);
    assert!(connect(&proxy).read(&mut [0]).is_err());
}

#[test]
fn a_commit_whose_answer_is_cut_has_happened() {
    let database = table();
    let proxy = Proxy::to(shared().address());
    proxy.cut_reply_to(b"COMMIT");
    let through = proxy.through(&database);
    shared().try_psql(&through, "BEGIN; INSERT INTO kept VALUES (1); COMMIT").unwrap_err();
    assert_eq!(proxy.fired(), 1);
    assert_eq!(shared().psql(&database, "SELECT n FROM kept"), "1");
    shared().psql(&through, "BEGIN; INSERT INTO kept VALUES (2); COMMIT");
    assert_eq!(proxy.fired(), 1);
}

#[test]
fn a_commit_that_is_cut_has_not_happened() {
    let database = table();
    let proxy = Proxy::to(shared().address());
    proxy.cut_before(b"COMMIT");
    let through = proxy.through(&database);
    shared().try_psql(&through, "BEGIN; INSERT INTO kept VALUES (1); COMMIT").unwrap_err();
    assert_eq!(proxy.fired(), 1);
    shared().psql(&through, "BEGIN; INSERT INTO kept VALUES (2); COMMIT");
    assert_eq!(shared().psql(&database, "SELECT n FROM kept"), "2");
}

fn table() -> String {
    let database = shared().create_database();
    shared().psql(&database, "CREATE TABLE kept (n int)");
    database
}

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &connection, &mut &connection));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap()
}

fn ask(client: &mut TcpStream, question: &[u8]) {
    client.write_all(question).unwrap();
    assert_eq!(read(client, question.len()), question);
}

fn read(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut answer = vec![0; length];
    client.read_exact(&mut answer).unwrap();
    answer
}
