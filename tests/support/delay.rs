//! A slow network: passes bytes on, each after a fixed time on the way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A way to a master on this host that takes `delay` in each direction. Returns the URL at its other end; it lasts until
/// the tests end.
pub fn slow_way(url: &str, delay: Duration) -> String {
    let port = url.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let far =
                TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("the master listens");
            let half = |stream: &TcpStream| stream.try_clone().expect("another handle");
            carry(half(&client), half(&far), delay);
            carry(far, client, delay);
        }
    });
    format!("https://localhost:{}", near.port())
}

/// One direction: what was read is written when its time has come, however much is on the way.
#[expect(clippy::disallowed_methods, reason = "the delay is what this is for")]
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (send, on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut chunk = [0; 16_384];
        while let Ok(size @ 1..) = from.read(&mut chunk) {
            if send.send((Instant::now() + delay, chunk[..size].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (arrival, bytes) in on_the_way {
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // Whoever has gone already does not mind.
        _ = to.shutdown(Shutdown::Write);
    });
}
