//! One TCP connection, which a [`StreamReader`](crate::StreamReader) and a
//! [`StreamWriter`](crate::StreamWriter) share: asyncio's transport.
//!
//! # State
//!
//! *Open*; then *closing* from `close()` on, while what was written is still being sent; then *lost*,
//! with an error or without, when the descriptor is closed. `abort()` and errors go to *lost* at
//! once. Nothing comes back from a later state to an earlier one.
//!
//! # Invariants
//!
//! - The socket is there until the connection is lost, and not a moment longer: whoever loses it
//!   closes the descriptor in that very call, and releases all who wait.
//! - No borrow is held while a waker is woken or the socket is dropped.
//! - Bytes are in the outgoing queue only while the kernel takes no more; then the connection's turn
//!   is armed, and sends them without anybody waiting for it.

mod budget;
mod read;
mod waiters;
mod write;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::task::Waker;

use ouroloop_core::{IoSource, LoopRef};

use self::budget::Budget;
pub(crate) use self::read::Readable;
pub(crate) use self::waiters::Waiters;
pub(crate) use self::write::WaterMarks;
use crate::buffer::{ByteQueue, Spare};
use crate::error::{NetError, again};
use crate::log;
use crate::net::{Net, Seat, Turn};
use crate::reader::StreamReader;
use crate::writer::StreamWriter;

pub(crate) struct Connection {
    seat: Seat,
    socket: RefCell<Option<Rc<IoSource<TcpStream>>>>,
    peer_addr: Option<SocketAddr>,
    local_addr: Option<SocketAddr>,

    /// A read would block, for all that is known.
    drained: Cell<bool>,
    read_budget: Budget,
    /// Who reads while the connection is closing. Before, the socket knows who reads.
    read_waker: Cell<Option<Waker>>,
    read_eof: Cell<bool>,
    reader_dropped: Cell<bool>,

    outgoing: RefCell<ByteQueue>,
    water_marks: Cell<WaterMarks>,
    write_budget: Budget,
    /// Above the high-water mark, and not yet at the low one again.
    paused: Cell<bool>,
    write_eof: Cell<bool>,
    writer_dropped: Cell<bool>,
    drainers: Waiters,
    flushers: Waiters,

    closing: Cell<bool>,
    lost: Cell<bool>,
    loss: RefCell<Option<io::Error>>,
    /// How many writes came too late, and the loss itself.
    lost_writes: Cell<u32>,
    close_waiters: Waiters,
    /// Who counts it among its clients.
    on_lost: Cell<Option<Box<dyn FnOnce()>>>,
}

impl Connection {
    /// Both ends of a connection that is established.
    pub(crate) fn open(
        net: &Rc<Net>,
        socket: IoSource<TcpStream>,
        limit: usize,
    ) -> (StreamReader, StreamWriter, Rc<Connection>) {
        let peer_addr = socket.get_ref().peer_addr().ok();
        let local_addr = socket.get_ref().local_addr().ok();
        let connection = net.enter(|seat| {
            Rc::new(Connection {
                seat,
                socket: RefCell::new(Some(Rc::new(socket))),
                peer_addr,
                local_addr,
                drained: Cell::new(false),
                read_budget: Budget::default(),
                read_waker: Cell::new(None),
                read_eof: Cell::new(false),
                reader_dropped: Cell::new(false),
                outgoing: RefCell::new(ByteQueue::default()),
                water_marks: Cell::new(WaterMarks::default()),
                write_budget: Budget::default(),
                paused: Cell::new(false),
                write_eof: Cell::new(false),
                writer_dropped: Cell::new(false),
                drainers: Waiters::new("StreamWriter.drain"),
                flushers: Waiters::new("StreamWriter.flush"),
                closing: Cell::new(false),
                lost: Cell::new(false),
                loss: RefCell::new(None),
                lost_writes: Cell::new(0),
                close_waiters: Waiters::new("StreamWriter.wait_closed"),
                on_lost: Cell::new(None),
            })
        });
        let reader = StreamReader::new(connection.clone(), limit);
        let writer = StreamWriter::new(connection.clone());
        (reader, writer, connection)
    }

    /// Calls `f` once the connection is lost.
    pub(crate) fn set_on_lost(&self, f: impl FnOnce() + 'static) {
        self.on_lost.set(Some(Box::new(f)));
    }

    /// Memory for its queues.
    pub(crate) fn spare(&self) -> &Spare {
        self.seat.net().spare()
    }

    pub(crate) fn event_loop(&self) -> &LoopRef {
        self.seat.event_loop()
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Sends what was written, and then closes the descriptor; at once if all was sent.
    pub(crate) fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        if self.outgoing.borrow().is_empty() || self.event_loop().is_closed() {
            self.discard_received();
            self.lose(None);
        }
    }

    /// Closes the descriptor now, and drops what was not sent.
    pub(crate) fn abort(&self) {
        self.lose(None);
    }

    /// Waits until the descriptor is closed.
    pub(crate) async fn wait_closed(&self) -> Result<(), NetError> {
        self.check_loop()?;
        if !self.lost.get() {
            self.close_waiters.wait().await;
            self.check_loop()?;
        }
        self.check_loss()
    }

    /// # Errors
    ///
    /// What every use of a stream asks first: [`NetError::LoopClosed`], and the error that the
    /// connection was lost with.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), NetError> {
        if self.lost.get() || self.event_loop().is_closed() {
            self.check_loop()?;
            self.check_loss()?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// The error that the connection was lost with.
    pub(crate) fn check_loss(&self) -> Result<(), NetError> {
        match &*self.loss.borrow() {
            Some(error) => Err(NetError::Io(again(error))),
            None => Ok(()),
        }
    }

    /// # Errors
    ///
    /// [`NetError::LoopClosed`], as waiting would be for ever.
    pub(crate) fn check_loop(&self) -> Result<(), NetError> {
        if self.event_loop().is_closed() {
            return Err(NetError::LoopClosed);
        }
        Ok(())
    }

    /// The reader is gone: nobody will read any more.
    pub(crate) fn drop_reader(&self) {
        self.reader_dropped.set(true);
        if self.writer_dropped.get() {
            self.close();
        }
    }

    /// The writer is gone: what was written is sent, and then the peer is told that it was all.
    pub(crate) fn drop_writer(&self) {
        self.writer_dropped.set(true);
        if self.closing.get() {
            return;
        }
        if self.event_loop().debug() {
            let connection = self.describe();
            log::warn(&format!(
                "unclosed StreamWriter of {connection}: call close()"
            ));
        }
        if self.reader_dropped.get() || self.event_loop().is_closed() {
            self.close();
        } else if let Err(error) = self.end_writing() {
            tracing::debug!(target: "ouroloop::net", %error, "could not shut the write side down");
        }
    }

    /// The end: closes the descriptor and tells everybody.
    pub(super) fn lose(&self, error: Option<io::Error>) {
        if self.lost.replace(true) {
            return;
        }
        self.closing.set(true);
        self.paused.set(false);
        self.lost_writes.set(1);
        if let Some(error) = &error {
            tracing::debug!(target: "ouroloop::net", %error, "{} is lost", self.describe());
        }
        self.loss.replace(error);
        self.outgoing.borrow_mut().clear();
        let socket = self.socket.take();
        let reader = socket.as_ref().and_then(|it| it.take_read_waker());
        drop(socket);
        self.seat.leave();
        self.drainers.release();
        self.flushers.release();
        self.close_waiters.release();
        if let Some(on_lost) = self.on_lost.take() {
            on_lost();
        }
        // Last, since a foreign waker may panic.
        for waker in [reader, self.read_waker.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// The socket, while there is one. Counted, so that whoever uses it may lose the connection.
    fn socket(&self) -> Option<Rc<IoSource<TcpStream>>> {
        self.socket.borrow().clone()
    }
}

impl Turn for Connection {
    fn run(self: Rc<Self>) {
        self.flush();
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }

    fn loop_closed(&self) {
        self.outgoing.borrow_mut().clear();
        self.lose(None);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.lost.get(), self.closing.get()) {
            (true, _) => "lost",
            (false, true) => "closing",
            (false, false) => "open",
        };
        match self.peer_addr {
            Some(peer) => write!(f, "<connection with {peer}, {state}>"),
            None => write!(f, "<connection, {state}>"),
        }
    }
}
