//! A TCP proxy between agent and master that does to their conversation what networks do.
//!
//! It sees TLS records, not their content. The first large one from an agent is its request for an identity: asking for
//! the time is short, and nothing else is asked before.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to the next conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// The connection ends before a byte has passed.
    CutAtOnce,
    /// The request for an identity never arrives.
    LoseRequest,
    /// It arrives and is answered; the answer never leaves.
    LoseAnswer,
    /// That many bytes of the answer arrive, then the connection ends.
    CutAnswer(usize),
    /// The answer arrives garbled.
    Garble,
    /// The answer takes that long.
    Delay(Duration),
}

/// Ended with the test.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    master: String,
    mishap: Mutex<Mishap>,
    once: AtomicBool,
    happened: AtomicU32,
    over: AtomicBool,
}

/// Larger records are requests with a body; smaller ones ask for the time, or belong to the handshake.
const LARGE: usize = 600;
/// The type of TLS records that hold data.
const DATA: u8 = 23;

impl Proxy {
    /// In front of the master with that URL.
    pub fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let master = url.strip_prefix("https://").expect("https").replace("localhost", "127.0.0.1");
        let shared = Arc::new(Shared {
            master,
            mishap: Mutex::new(Mishap::None),
            once: AtomicBool::new(false),
            happened: AtomicU32::new(0),
            over: AtomicBool::new(false),
        });
        let inside = shared.clone();
        std::thread::spawn(move || {
            for agent in listener.incoming() {
                if inside.over.load(Ordering::SeqCst) {
                    return;
                }
                let (agent, inside) = (agent.expect("a connection"), inside.clone());
                // How it ends is what the test is about; the agent says what it saw.
                std::thread::spawn(move || inside.conversation(&agent).ok());
            }
        });
        Self { address, shared }
    }

    /// `https://localhost:port`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// From now on.
    pub fn set(&self, mishap: Mishap) {
        *self.shared.mishap.lock().expect("no panic") = mishap;
    }

    /// To the next conversation alone.
    pub fn set_once(&self, mishap: Mishap) {
        self.shared.once.store(true, Ordering::SeqCst);
        self.set(mishap);
    }

    /// How often something was done to a conversation.
    pub fn happened(&self) -> u32 {
        self.shared.happened.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that fails it has ended already.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn now(&self) -> Mishap {
        *self.mishap.lock().expect("no panic")
    }

    /// Something was done to a conversation.
    fn strike(&self) {
        self.happened.fetch_add(1, Ordering::SeqCst);
        if self.once.swap(false, Ordering::SeqCst) {
            *self.mishap.lock().expect("no panic") = Mishap::None;
        }
    }

    fn conversation(self: Arc<Self>, agent: &TcpStream) -> std::io::Result<()> {
        if self.now() == Mishap::CutAtOnce {
            self.strike();
            return agent.shutdown(Shutdown::Both);
        }
        let master = TcpStream::connect(&self.master)?;
        agent.set_nodelay(true)?;
        master.set_nodelay(true)?;
        let asked = Arc::new(AtomicBool::new(false));
        let answers = (self.clone(), master.try_clone()?, agent.try_clone()?, asked.clone());
        std::thread::spawn(move || answers.0.answers(&answers.1, &answers.2, &answers.3).ok());
        let requests = self.requests(agent, &master, &asked);
        // Whoever has gone already does not mind.
        _ = master.shutdown(Shutdown::Both);
        _ = agent.shutdown(Shutdown::Both);
        requests
    }

    /// Record by record, so that the large one is recognised before it is on its way.
    fn requests(
        &self,
        mut agent: &TcpStream,
        mut master: &TcpStream,
        asked: &AtomicBool,
    ) -> std::io::Result<()> {
        loop {
            let mut record = vec![0; 5];
            agent.read_exact(&mut record)?;
            let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
            record.resize(5 + length, 0);
            agent.read_exact(&mut record[5..])?;
            if record[0] == DATA && length > LARGE {
                if self.now() == Mishap::LoseRequest {
                    self.strike();
                    return Ok(());
                }
                asked.store(true, Ordering::SeqCst);
            }
            master.write_all(&record)?;
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a slow network is what is played here")]
    fn answers(
        &self,
        mut master: &TcpStream,
        mut agent: &TcpStream,
        asked: &AtomicBool,
    ) -> std::io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            let size = master.read(&mut bytes)?;
            if size == 0 {
                return agent.shutdown(Shutdown::Both);
            }
            let mishap = if asked.load(Ordering::SeqCst) { self.now() } else { Mishap::None };
            if mishap != Mishap::None {
                self.strike();
            }
            match mishap {
                Mishap::None | Mishap::CutAtOnce | Mishap::LoseRequest => {}
                Mishap::LoseAnswer => return agent.shutdown(Shutdown::Both),
                Mishap::CutAnswer(after) => {
                    agent.write_all(&bytes[..after.min(size)])?;
                    return agent.shutdown(Shutdown::Both);
                }
                Mishap::Garble => bytes[size / 2] ^= 0x55,
                Mishap::Delay(by) => std::thread::sleep(by),
            }
            agent.write_all(&bytes[..size])?;
        }
    }
}
