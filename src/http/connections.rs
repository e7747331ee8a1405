//! The connections of one listener. Whoever sends slowly, or does not take the answer, is cut after a while; and where
//! too many of them wait for their peers, the oldest makes room for the newest. An honest request is there in
//! milliseconds, and so it is never the oldest, however many strangers hold on to theirs.
//!
//! The server below limits the head of a connection's first request only, and neither a body that nobody reads any more nor
//! the time in which an answer must be taken.

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{HttpRequest, dev::Extensions, rt::net::TcpStream};
use std::{
    any::Any,
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{Shutdown, TcpStream as Socket},
    os::fd::AsFd,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

/// How often the slow ones are looked for. Ages are counted in these.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The open connections of one listener.
pub(crate) struct Connections {
    /// Connections at most that wait for their peers.
    most: usize,
    /// How many looks a connection may live through that waits for its peer.
    patience: u64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// How often it was looked.
    looks: u64,
    /// The number of the next connection: a smaller number is an older one.
    next: u64,
    /// What waits for its peer: to send a request, or to take an answer.
    waiting: BTreeMap<u64, Known>,
    /// What is worked on. The server below limits how many there are.
    busy: BTreeMap<u64, Known>,
}

struct Known {
    /// A second handle: the connection can be cut from here.
    socket: Socket,
    /// The look after which it began to wait for its peer.
    since: u64,
}

impl Connections {
    /// None yet; `most` may wait for their peers at once, and each for `patience`.
    pub(crate) fn new(most: usize, patience: Duration) -> Arc<Self> {
        // The first look may come at once.
        let patience = patience.as_secs() / LOOK_EVERY.as_secs() + 1;
        Arc::new(Self { most, patience, open: Mutex::default() })
    }

    /// Begins to count a connection, and cuts the oldest that waits for its peer if it is one too many.
    pub(crate) fn begin(self: &Arc<Self>, stream: &dyn Any, data: &mut Extensions) {
        let Some(socket) = second_handle(stream) else { return };
        match socket {
            Ok(socket) => {
                let number = Rc::new(Cell::new(self.open().wait(socket, self.most)));
                data.insert(Connection { number, all: Arc::clone(self) });
            }
            // The limits are chosen so that this does not happen; its head and body are limited all the same.
            Err(error) => tracing::error!("A connection cannot be watched ({error})."),
        }
    }

    /// Cuts whoever keeps us waiting for too long; never ends.
    pub(crate) async fn watch(&self) -> Infallible {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.look();
        }
    }

    fn look(&self) {
        let mut open = self.open();
        open.looks += 1;
        let now = open.looks;
        open.waiting.retain(|_, known| {
            let is_slow = now - known.since > self.patience;
            if is_slow {
                known.cut();
            }
            !is_slow
        });
    }

    /// A request of this connection's has been answered: its peer has its time once more.
    pub(crate) fn renew(request: &HttpRequest) {
        let Some(Connection { number, all }) = request.conn_data() else { return };
        let mut open = all.open();
        if let Some(known) = open.waiting.remove(&number.get()) {
            number.set(open.wait(known.socket, all.most));
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Lets a connection wait, as the newest; the oldest goes if that is one too many.
    fn wait(&mut self, socket: Socket, most: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, Known { socket, since: self.looks });
        if self.waiting.len() > most
            && let Some((_, oldest)) = self.waiting.pop_first()
        {
            oldest.cut();
        }
        number
    }
}

impl Known {
    fn cut(&self) {
        // It is the peer's already if this fails.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

fn second_handle(stream: &dyn Any) -> Option<io::Result<Socket>> {
    let plain = stream.downcast_ref::<TcpStream>();
    let tls = || stream.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0);
    let stream = plain.or_else(tls)?;
    Some(stream.as_fd().try_clone_to_owned().map(Socket::from))
}

/// One of them, kept with its requests. It goes before the server's own handle does.
struct Connection {
    number: Rc<Cell<u64>>,
    all: Arc<Connections>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (number, mut open) = (self.number.get(), self.all.open());
        drop((open.waiting.remove(&number), open.busy.remove(&number)));
    }
}

/// As long as this lives, the request is worked on, and its connection is not cut. From then on its peer has the time of a
/// new one to take the answer.
pub(crate) struct AtWork {
    number: Rc<Cell<u64>>,
    all: Arc<Connections>,
}

impl AtWork {
    /// For a request that has been let in: what has to come from its peer is there, or the peer is known. `None` in tests
    /// without a connection.
    pub(crate) fn with(request: &HttpRequest) -> Option<Self> {
        let connection = request.conn_data::<Connection>()?;
        let (number, all) = (Rc::clone(&connection.number), Arc::clone(&connection.all));
        let mut open = all.open();
        if let Some(known) = open.waiting.remove(&number.get()) {
            open.busy.insert(number.get(), known);
        }
        drop(open);
        Some(Self { number, all })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut open = self.all.open();
        if let Some(known) = open.busy.remove(&self.number.get()) {
            self.number.set(open.wait(known.socket, self.all.most));
        }
    }
}
