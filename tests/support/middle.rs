//! What stands between agents and masters in real networks: CONNECT proxies, balancers that open TLS, and somebody who
//! listens in.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::copy_bidirectional;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Accepts connections and hands each to a thread of its own, until dropped.
struct Door {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Door {
    fn open(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, over) = (listener.local_addr().expect("bound"), Arc::<AtomicBool>::default());
        let (serve, ended) = (Arc::new(serve), over.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let serve = serve.clone();
                // How it ends is what the test is about; the agent says what it saw.
                thread::spawn(move || serve(stream).ok());
            }
        });
        Self { address, over }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that fails it has ended already.
        TcpStream::connect(self.address).ok();
    }
}

/// What a proxy does with those who ask.
#[derive(Debug, Clone, Copy)]
pub enum Manners {
    /// Connects everybody.
    Open,
    /// Connects whoever shows this `Proxy-Authorization`; tells the others `407` and that it takes this.
    Wants(&'static str, &'static str),
    /// Says this and no more.
    Says(&'static str),
    /// Says nothing.
    Silent,
}

/// An HTTP proxy that knows `CONNECT`. Ended with the test.
pub struct ConnectProxy {
    door: Door,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Spoken to in clear text.
    pub fn start(manners: Manners) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let told = asked.clone();
        let door = Door::open(move |stream| {
            let head = head(&stream)?;
            told.lock().expect("no panic").push(head.clone());
            match answer(manners, &head) {
                Ok(()) => connect(stream, target(&head)),
                Err(text) => refuse(stream, &text),
            }
        });
        Self { door, asked }
    }

    /// Spoken to over TLS.
    pub fn secured(tls: ServerConfig) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (told, tls) = (asked.clone(), Arc::new(tls));
        let door = Door::open(move |stream| {
            let connection = ServerConnection::new(tls.clone()).map_err(std::io::Error::other)?;
            let mut inside = BufReader::new(StreamOwned::new(connection, stream));
            let head = read_head(&mut inside)?;
            told.lock().expect("no panic").push(head.clone());
            let mut far = TcpStream::connect(target(&head))?;
            inside.get_mut().write_all(OK)?;
            alternate(inside.get_mut(), &mut far)
        });
        Self { door, asked }
    }

    /// `host:port`, by number.
    pub fn place(&self) -> String {
        self.door.address.to_string()
    }

    /// The heads of all requests.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

const OK: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

fn head(stream: &TcpStream) -> std::io::Result<String> {
    read_head(&mut BufReader::with_capacity(1, stream))
}

fn read_head(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if from.read_line(&mut text)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(text)
}

fn target(head: &str) -> String {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.replace("localhost", "127.0.0.1")
}

fn answer(manners: Manners, head: &str) -> Result<(), String> {
    let shown = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().starts_with("proxy-authorization:").then(|| line.split_once(": "))
        })
        .flatten()
        .map(|(_, value)| value);
    match manners {
        Manners::Open => Ok(()),
        Manners::Wants(credential, _) if shown == Some(credential) => Ok(()),
        Manners::Wants(_, scheme) => Err(format!(
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: {scheme}\r\ncontent-length: 0\r\n\r\n"
        )),
        Manners::Says(text) => Err(text.to_owned()),
        Manners::Silent => Err(String::new()),
    }
}

fn refuse(mut stream: TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes())?;
    if text.is_empty() {
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn connect(mut near: TcpStream, to: String) -> std::io::Result<()> {
    let far = TcpStream::connect(to)?;
    near.write_all(OK)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut from, mut into) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        _ = std::io::copy(&mut from, &mut into);
        _ = into.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut &far, &mut near)?;
    near.shutdown(Shutdown::Write)
}

/// One thread, both directions: whoever has something to say is heard.
fn alternate(
    near: &mut StreamOwned<ServerConnection, TcpStream>,
    far: &mut TcpStream,
) -> std::io::Result<()> {
    near.sock.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let mut chunk = [0; 16 * 1024];
    loop {
        let moved = pass(near, far, &mut chunk)? | pass(far, near, &mut chunk)?;
        if !moved {
            thread::yield_now();
        }
    }
}

fn pass(from: &mut impl Read, to: &mut impl Write, chunk: &mut [u8]) -> std::io::Result<bool> {
    let again = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    let size = match from.read(chunk) {
        Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(size) => size,
        Err(error) if again(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut rest = &chunk[..size];
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if again(&error) => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    while to.flush().is_err_and(|error| again(&error)) {
        thread::yield_now();
    }
    Ok(true)
}

/// A balancer in front of a master: ends TLS with a certificate of its own, and speaks TLS of its own to the master.
/// Returns its URL; it lasts until the tests end.
pub fn balancer(tls: ServerConfig, master: &str, root: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
    let port = master.rsplit_once(':').expect("a port").1.parse::<u16>().expect("a number");
    let mut roots = RootCertStore::empty();
    roots
        .add(rustls_pki_types::CertificateDer::from_pem_slice(root.as_bytes()).expect("PEM"))
        .expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.expect("TLS 1.3").with_root_certificates(roots).with_no_client_auth();
    let (acceptor, connector) = (TlsAcceptor::from(Arc::new(tls)), TlsConnector::from(Arc::new(client)));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            listener.set_nonblocking(true).expect("set");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((near, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                tokio::spawn(async move {
                    let mut near = acceptor.accept(near).await?;
                    let far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
                    let name = ServerName::try_from("localhost").expect("a name");
                    let mut far = connector.connect(name, far).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
    });
    url
}

/// Somebody between a gateway and its master who writes down all that passes.
pub struct Tap {
    door: Door,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    /// In front of the master with that URL.
    pub fn before(url: &str) -> Self {
        let master = url.strip_prefix("https://").expect("https").replace("localhost", "127.0.0.1");
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let notes = heard.clone();
        let door = Door::open(move |near| {
            let far = TcpStream::connect(&master)?;
            let (one, other) = ((near.try_clone()?, far.try_clone()?), (far, near));
            let also = notes.clone();
            thread::spawn(move || listen(one.0, one.1, &also));
            listen(other.0, other.1, &notes);
            Ok(())
        });
        Self { door, heard }
    }

    /// `https://localhost:port`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.door.address.port())
    }

    /// All that was heard, each direction of each connection by itself.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("no panic").clone()
    }
}

fn listen(mut from: TcpStream, mut to: TcpStream, notes: &Mutex<Vec<Vec<u8>>>) {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(size @ 1..) = from.read(&mut chunk) {
        all.extend_from_slice(&chunk[..size]);
        if to.write_all(&chunk[..size]).is_err() {
            break;
        }
    }
    _ = to.shutdown(Shutdown::Write);
    notes.lock().expect("no panic").push(all);
}

/// The types of the TLS records in there; fails the test if there is anything else, or anything after them.
#[track_caller]
pub fn tls_records(bytes: &[u8]) -> Vec<u8> {
    let (mut rest, mut kinds) = (VecDeque::from(bytes.to_vec()), Vec::new());
    while !rest.is_empty() {
        let head: Vec<u8> = rest.drain(..rest.len().min(5)).collect();
        assert!(head.len() == 5 && (20..=23).contains(&head[0]) && head[1] == 3, "no TLS record: {head:?}");
        let size = usize::from(u16::from_be_bytes([head[3], head[4]]));
        assert!(size <= rest.len(), "a record that is cut off");
        rest.drain(..size);
        kinds.push(head[0]);
    }
    kinds
}
