//! The kernel's share: the flights of a TLS connection as plain bytes, over loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;

use super::each;
use super::tls::Sizes;
use crate::clock::cpu_of;

const CONNECTS: u32 = 300;

/// Microseconds of the accepting side for one connection.
pub(super) fn measure(sizes: Sizes) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let client = scope.spawn(move || (0..CONNECTS).try_for_each(|_| connect(address, sizes)));
        let served = cpu_of(|| (0..CONNECTS).try_for_each(|_| serve(&listener, sizes)));
        client.join().expect("the client returns its error")?;
        Ok(each(served?.1, CONNECTS))
    })
}

fn serve(listener: &TcpListener, sizes: Sizes) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    stream.read_exact(&mut vec![0; sizes.hello])?;
    stream.write_all(&vec![0; sizes.answer])?;
    stream.read_exact(&mut vec![0; sizes.request])?;
    stream.write_all(&vec![0; sizes.reply])?;
    // Nothing comes any more but the end.
    stream.read_exact(&mut [0]).err().map_or(Ok(()), |_| Ok(()))
}

fn connect(address: SocketAddr, sizes: Sizes) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(&vec![0; sizes.hello])?;
    stream.read_exact(&mut vec![0; sizes.answer])?;
    stream.write_all(&vec![0; sizes.request])?;
    Ok(stream.read_exact(&mut vec![0; sizes.reply])?)
}
