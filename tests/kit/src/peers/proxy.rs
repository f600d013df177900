//! Something between a client and a server: it counts connections, holds answers back, and is gone
//! when it is told.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A door on loopback that leads to a server. It closes when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    silent: AtomicBool,
}

impl Proxy {
    /// Leads to that port on loopback.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn({
            let counts = counts.clone();
            async move {
                // They end with the door.
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    counts.connections.fetch_add(1, Ordering::SeqCst);
                    let silent = counts.silent.load(Ordering::SeqCst);
                    connections.spawn(lead(client, port, silent));
                }
            }
        });
        Ok(Self {
            address,
            counts,
            task,
        })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Connections that come from now on are taken, and nobody answers on them.
    pub fn fall_silent(&self) {
        self.counts.silent.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(mut client: TcpStream, port: u16, silent: bool) {
    if silent {
        std::future::pending::<()>().await;
    }
    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
