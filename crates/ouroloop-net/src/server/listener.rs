//! Accepting: one listening socket of a server.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use ouroloop_core::{ExceptionContext, IoSource, TimerHandle};

use super::Shared;
use crate::error::NetError;
use crate::net::{Seat, Turn};
use crate::socket;

/// How long a listener rests when the system has no descriptors left: asyncio's second.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Listener {
    seat: Seat,
    server: Rc<Shared>,
    socket: RefCell<Option<Rc<IoSource<TcpListener>>>>,
    local_addr: Option<SocketAddr>,
    retry: Cell<Option<TimerHandle>>,
}

impl Listener {
    /// Begins to listen.
    pub(super) fn start(
        server: &Rc<Shared>,
        socket: TcpListener,
        backlog: u32,
    ) -> Result<Rc<Listener>, NetError> {
        socket::listen(&socket, backlog)?;
        let local_addr = socket.local_addr().ok();
        let socket = server.net.event_loop().register_io(socket)?;
        let listener = server.net.enter(|seat| {
            Rc::new(Listener {
                seat,
                server: server.clone(),
                socket: RefCell::new(Some(Rc::new(socket))),
                local_addr,
                retry: Cell::new(None),
            })
        });
        listener.arm();
        Ok(listener)
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Closes the socket.
    pub(super) fn close(&self) {
        let socket = self.socket.take();
        drop(socket);
        if let Some(retry) = self.retry.take() {
            retry.cancel();
        }
        self.seat.leave();
    }

    /// Takes in who is at the door. `Err` says that the listener has to rest.
    fn accept(&self) -> io::Result<()> {
        for _ in 0..self.server.backlog {
            // Looked up each time: a handler that starts at once may close the server.
            let Some(socket) = self.socket.borrow().clone() else {
                return Ok(());
            };
            match socket.get_ref().accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.read_would_block();
                    self.arm();
                    return Ok(());
                }
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // More may wait, and no event would tell of them; but the others come first.
        self.seat.schedule();
        Ok(())
    }

    fn admit(&self, stream: TcpStream) {
        let admitted = socket::configure_stream(&stream)
            .map_err(NetError::from)
            .and_then(|()| Ok(self.seat.event_loop().register_io(stream)?));
        match admitted {
            Ok(socket) => self.server.serve(socket),
            Err(error) => self.report(
                "Error on transport creation for incoming connection",
                error.into(),
            ),
        }
    }

    fn rest(&self, error: io::Error) {
        let message = if socket::is_out_of_resources(&error) {
            "socket.accept() out of system resource"
        } else {
            "socket.accept() failed"
        };
        self.report(message, error);
        let turn = self.seat.waker();
        let event_loop = self.seat.event_loop();
        let retry = event_loop.call_later(ACCEPT_RETRY_DELAY, move || turn.wake());
        self.retry.set(retry.ok());
    }

    fn report(&self, message: &str, error: io::Error) {
        let context = ExceptionContext::new(message)
            .with_exception(error)
            .with_source(self.describe());
        self.seat.event_loop().call_exception_handler(context);
    }

    fn arm(&self) {
        let Some(socket) = self.socket.borrow().clone() else {
            return;
        };
        if socket.poll_readable(&self.seat.waker()).is_ready() {
            self.seat.schedule();
        }
    }
}

impl Turn for Listener {
    fn run(self: Rc<Self>) {
        let unfinished = Unfinished(&self.seat);
        let accepted = self.accept();
        std::mem::forget(unfinished);
        if let Err(error) = accepted {
            self.rest(error);
        }
    }

    fn describe(&self) -> String {
        match self.local_addr {
            Some(addr) => format!("<listener on {addr}>"),
            None => "<listener>".into(),
        }
    }

    fn loop_closed(&self) {
        self.close();
        self.server.close();
    }
}

/// A turn under way. Making the task of a handler may panic, in a task factory; no event would
/// tell of those who wait behind that client, so another turn does.
struct Unfinished<'a>(&'a Seat);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.schedule();
    }
}

/// Whether an accept failed for a reason that concerns nobody but the one who was to be accepted:
/// Linux hands on the network errors of the new socket (the manual page accept(2) lists them).
fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    )
}
