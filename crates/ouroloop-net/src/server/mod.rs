//! `start_server`, and the server that it gives.

mod hosts;
mod listener;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use ouroloop_combinators::ChildOutput;
use ouroloop_core::{Context as LoopContext, ExceptionContext, IoSource, snapshot_context};
use ouroloop_task::{AsFutureRef, FutureRef, TaskBuilder, TaskError, bare_yield, catch_cancelled};

pub use self::hosts::Hosts;
use self::listener::Listener;
use crate::DEFAULT_LIMIT;
use crate::connection::{Connection, Waiters};
use crate::error::NetError;
use crate::net::Net;
use crate::reader::StreamReader;
use crate::writer::StreamWriter;

const BACKLOG: u32 = 100;

/// Listens on a port of this machine, by TCP, and calls `handler` with both ends of each connection
/// that comes in. What it returns runs as a task of its own. asyncio's `start_server`.
///
/// `host` is a name or an address, several of them, or `None` for all interfaces: see [`Hosts`].
/// With port 0 the system chooses one, for each address: see [`Server::local_addrs`].
///
/// A handler that panics, or returns an error, is reported to the loop's exception handler, and its
/// connection is closed; the others, and the server, go on. A handler that is cancelled has its
/// connection closed, too. One that returns has, too, unless it gave the reader or the writer to
/// somebody else.
///
/// # Errors
///
/// [`NetError::NameNotFound`]; [`NetError::BindFailed`]; [`NetError::Io`] if listening fails, or no loop is
/// running; and [`NetError::LoopClosed`].
///
/// # Cancellation
///
/// The sockets are closed, and no server is left.
///
/// # Ordering
///
/// One iteration passes before it returns, as in asyncio. A handler's first step is queued when its
/// connection is accepted.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn shout(mut reader: StreamReader, writer: StreamWriter) -> Result<(), NetError> {
///     let line = reader.readline().await?;
///     writer.write(&line.to_ascii_uppercase())?;
///     writer.drain().await
/// }
///
/// #[ouroloop::main]
/// async fn main() -> Result<(), NetError> {
///     let server = start_server(shout, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///     let (mut reader, writer) = open_connection("127.0.0.1", port).await?;
///     writer.write(b"hello\n")?;
///     assert_eq!(reader.readline().await?, b"HELLO\n");
///     writer.close();
///     server.close();
///     server.wait_closed().await
/// }
/// ```
pub fn start_server<H, F>(handler: H, host: impl Into<Hosts>, port: u16) -> StartServer
where
    H: Fn(StreamReader, StreamWriter) -> F + 'static,
    F: Future + 'static,
    F::Output: ChildOutput,
{
    let handler = Rc::new(handler);
    let spawn = move |options: TaskBuilder, reader, writer| {
        let handler = handler.clone();
        let task = options
            .fallible()
            .create_task(async move { handler(reader, writer).await.into_result().map(drop) });
        task.as_future_ref()
    };
    StartServer {
        state: State::New(Some(Options {
            hosts: host.into(),
            port,
            spawn: Box::new(spawn),
            limit: DEFAULT_LIMIT,
            backlog: BACKLOG,
            start_serving: true,
        })),
    }
}

/// Makes the task of a handler.
type Spawn = dyn Fn(TaskBuilder, StreamReader, StreamWriter) -> FutureRef;

/// The future of [`start_server`], and its options, to be set before it is awaited.
///
/// # Cancellation
///
/// As described for [`start_server`].
///
/// # Examples
///
/// ```
/// use ouroloop::start_server;
///
/// ouroloop::run(async {
///     let server = start_server(async |_, _| {}, "127.0.0.1", 0)
///         .limit(1024)
///         .start_serving(false)
///         .await?;
///     assert!(!server.is_serving());
///     server.start_serving().await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is served unless this is awaited"]
pub struct StartServer {
    state: State,
}

enum State {
    New(Option<Options>),
    Running(Pin<Box<dyn Future<Output = Result<Server, NetError>>>>),
}

struct Options {
    hosts: Hosts,
    port: u16,
    spawn: Box<Spawn>,
    limit: usize,
    backlog: u32,
    start_serving: bool,
}

impl StartServer {
    /// Sets the limit of the readers, in bytes: see [`OpenConnection::limit`](crate::OpenConnection::limit).
    ///
    /// # Cancellation
    ///
    /// As described for [`start_server`].
    pub fn limit(self, limit: usize) -> StartServer {
        self.with(|options| options.limit = limit)
    }

    /// Sets how many connections may wait to be accepted, and are accepted at most in one iteration; 100
    /// unless set, at least 1.
    ///
    /// # Cancellation
    ///
    /// As described for [`start_server`].
    pub fn backlog(self, backlog: u32) -> StartServer {
        self.with(|options| options.backlog = backlog.max(1))
    }

    /// Sets whether to accept at once, as it does unless told otherwise; else [`Server::start_serving`] begins.
    ///
    /// Until then the sockets are bound and connecting to them is refused.
    ///
    /// # Cancellation
    ///
    /// As described for [`start_server`].
    pub fn start_serving(self, start: bool) -> StartServer {
        self.with(|options| options.start_serving = start)
    }

    fn with(mut self, set: impl FnOnce(&mut Options)) -> StartServer {
        if let State::New(Some(options)) = &mut self.state {
            set(options);
        }
        self
    }
}

impl Future for StartServer {
    type Output = Result<Server, NetError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(options) = &mut self.state {
            let options = options.take().expect("options are taken once, just here");
            self.state = State::Running(Box::pin(start(options)));
        }
        match &mut self.state {
            State::New(_) => unreachable!("it is running since the line above"),
            State::Running(running) => running.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for StartServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartServer").finish_non_exhaustive()
    }
}

async fn start(options: Options) -> Result<Server, NetError> {
    let net = Net::running()?;
    let sockets = options.hosts.bind(options.port).await?;
    let server = Server {
        shared: Rc::new(Shared {
            net,
            spawn: options.spawn,
            limit: options.limit,
            backlog: options.backlog,
            context: snapshot_context(),
            idle: RefCell::new(sockets),
            listeners: RefCell::new(Vec::new()),
            closed: Cell::new(false),
            forever: Cell::new(false),
            clients: RefCell::new(BTreeMap::new()),
            last_client: Cell::new(0),
            close_waiters: Waiters::new("Server.serve_forever"),
            gone_waiters: Waiters::new("Server.wait_closed"),
        }),
    };
    if options.start_serving {
        server.start_serving().await?;
    }
    Ok(server)
}

/// Listening sockets, and the connections that came from them: what [`start_server`] gives. Clones are the
/// same server.
///
/// Dropping it changes nothing: it goes on until [`close`](Self::close), or the end of its loop.
///
/// # Examples
///
/// ```
/// use ouroloop::{NetError, Server, open_connection, start_server};
///
/// async fn shut_down(server: Server) -> Result<(), NetError> {
///     server.close(); // nobody new
///     server.close_clients(); // and the others as soon as all is sent
///     server.wait_closed().await
/// }
///
/// ouroloop::run(async {
///     let patient = async |mut reader: ouroloop::StreamReader, _| reader.read_to_end().await.map(drop);
///     let server = start_server(patient, "127.0.0.1", 0).await?;
///     let port = server.local_addrs()[0].port();
///     let _ends = open_connection("127.0.0.1", port).await?;
///     shut_down(server).await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Rc<Shared>,
}

impl Server {
    /// Begins to accept connections; does nothing if that was done already. asyncio's `start_serving`.
    ///
    /// # Errors
    ///
    /// [`NetError::ServerClosed`]; [`NetError::LoopClosed`]; [`NetError::Io`] if a socket cannot
    /// listen. The server is closed then.
    ///
    /// # Cancellation
    ///
    /// It serves all the same.
    ///
    /// # Ordering
    ///
    /// One iteration passes.
    pub async fn start_serving(&self) -> Result<(), NetError> {
        self.shared.start_serving()?;
        bare_yield().await;
        Ok(())
    }

    /// Serves until [`close`](Self::close) is called, and all clients are gone: asyncio's `serve_forever`.
    ///
    /// # Errors
    ///
    /// [`NetError::AlreadyServing`] if this is being awaited elsewhere; and as for
    /// [`start_serving`](Self::start_serving).
    ///
    /// # Cancellation
    ///
    /// The server is closed, and its clients are waited for; then the cancellation goes on. A second
    /// one ends the waiting. Dropped without that, by a `select!` for example, the server is closed,
    /// and nobody waits.
    ///
    /// # Differences from asyncio
    ///
    /// When somebody else closes the server, this returns; asyncio raises `CancelledError`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ouroloop::{create_task, sleep, start_server};
    /// use std::time::Duration;
    ///
    /// ouroloop::run(async {
    ///     let server = start_server(async |_, _| {}, "127.0.0.1", 0).await?;
    ///     let closing = server.clone();
    ///     create_task(async move {
    ///         sleep(Duration::from_millis(1)).await;
    ///         closing.close();
    ///     });
    ///     server.serve_forever().await
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn serve_forever(&self) -> Result<(), NetError> {
        if self.shared.forever.get() {
            return Err(NetError::AlreadyServing);
        }
        self.shared.start_serving()?;
        let guard = Forever::enter(self);
        let cancelled = catch_cancelled(self.shared.close_waiters.wait())
            .await
            .err();
        self.close();
        self.wait_closed().await?;
        drop(guard);
        if let Some(cancelled) = cancelled {
            cancelled.raise().await;
        }
        Ok(())
    }

    /// Closes the listening sockets: asyncio's `close`. The connections that there are go on.
    ///
    /// Closing again does nothing.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Waits until the server is closed and all connections that it accepted are gone, in either
    /// order: asyncio's `wait_closed`.
    ///
    /// # Errors
    ///
    /// [`NetError::LoopClosed`].
    ///
    /// # Cancellation
    ///
    /// The wait is given up.
    ///
    /// # Ordering
    ///
    /// It does not suspend if that is so already; else those who wait resume one iteration later, in the order
    /// in which they came.
    pub async fn wait_closed(&self) -> Result<(), NetError> {
        loop {
            if self.shared.net.event_loop().is_closed() {
                return Err(NetError::LoopClosed);
            }
            if self.shared.is_gone() {
                return Ok(());
            }
            self.shared.gone_waiters.wait().await;
        }
    }

    /// Closes the connections that there are: each one sends what was written first, as
    /// [`StreamWriter::close`] does. asyncio's `close_clients`.
    pub fn close_clients(&self) {
        for client in self.shared.clients() {
            client.close();
        }
    }

    /// Closes the connections that there are at once, and drops what was not sent: asyncio's `abort_clients`.
    pub fn abort_clients(&self) {
        for client in self.shared.clients() {
            client.abort();
        }
    }

    /// Tells whether connections are being accepted.
    pub fn is_serving(&self) -> bool {
        !self.shared.listeners.borrow().is_empty()
    }

    /// Gives the addresses of the sockets; none once the server is closed. asyncio has `sockets` for it.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let idle = self.shared.idle.borrow();
        let listeners = self.shared.listeners.borrow();
        let idle = idle.iter().filter_map(|it| it.local_addr().ok());
        let serving = listeners.iter().filter_map(|it| it.local_addr());
        serving.chain(idle).collect()
    }

    /// Counts the connections that it accepted and that are not gone.
    pub fn client_count(&self) -> usize {
        self.shared.clients.borrow().len()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addrs", &self.local_addrs())
            .field("serving", &self.is_serving())
            .field("clients", &self.client_count())
            .finish()
    }
}

/// What the handles and the listeners of a server share.
///
/// Its listeners hold it, and it holds them: closing it undoes that, and so does the end of the loop.
struct Shared {
    net: Rc<Net>,
    spawn: Box<Spawn>,
    limit: usize,
    backlog: u32,
    /// Where the server was started: each handler runs in a copy.
    context: Option<LoopContext>,
    /// Bound, and not listening yet.
    idle: RefCell<Vec<TcpListener>>,
    listeners: RefCell<Vec<Rc<Listener>>>,
    closed: Cell<bool>,
    forever: Cell<bool>,
    /// The connections that are not lost, oldest first.
    clients: RefCell<BTreeMap<u64, Rc<Connection>>>,
    last_client: Cell<u64>,
    close_waiters: Waiters,
    gone_waiters: Waiters,
}

impl Shared {
    fn start_serving(self: &Rc<Self>) -> Result<(), NetError> {
        if self.net.event_loop().is_closed() {
            return Err(NetError::LoopClosed);
        }
        if self.closed.get() {
            return Err(NetError::ServerClosed);
        }
        for socket in self.idle.take() {
            match Listener::start(self, socket, self.backlog) {
                Ok(listener) => self.listeners.borrow_mut().push(listener),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        drop(self.idle.take());
        for listener in self.listeners.take() {
            listener.close();
        }
        self.close_waiters.release();
        if self.is_gone() {
            self.gone_waiters.release();
        }
    }

    /// Makes a client and its task of an accepted socket.
    fn serve(self: &Rc<Self>, socket: IoSource<TcpStream>) {
        let (reader, writer, connection) = Connection::open(&self.net, socket, self.limit);
        let number = self.last_client.get() + 1;
        self.last_client.set(number);
        self.clients.borrow_mut().insert(number, connection.clone());
        let server = self.clone();
        connection.set_on_lost(move || server.detach(number));
        let mut options = TaskBuilder::new();
        if let Some(context) = &self.context {
            options = options.context(context.copy());
        }
        let task = (self.spawn)(options, reader, writer);
        task.add_done_callback(move |task| handler_done(task, &connection));
    }

    fn detach(&self, number: u64) {
        let client = self.clients.borrow_mut().remove(&number);
        drop(client);
        if self.is_gone() {
            self.gone_waiters.release();
        }
    }

    fn is_gone(&self) -> bool {
        self.closed.get() && self.clients.borrow().is_empty()
    }

    fn clients(&self) -> Vec<Rc<Connection>> {
        self.clients.borrow().values().cloned().collect()
    }
}

/// While it lives, somebody serves; when it goes, the server is closed.
struct Forever<'a>(&'a Server);

impl<'a> Forever<'a> {
    fn enter(server: &'a Server) -> Forever<'a> {
        server.shared.forever.set(true);
        Forever(server)
    }
}

impl Drop for Forever<'_> {
    fn drop(&mut self) {
        self.0.shared.forever.set(false);
        self.0.close();
    }
}

fn handler_done(task: &FutureRef, connection: &Connection) {
    if task.cancelled() {
        connection.close();
        return;
    }
    let Some(error) = task.exception() else {
        return;
    };
    let context = ExceptionContext::new("Unhandled exception in client_connected_cb")
        .with_source(format!("{connection:?}"));
    let context = match error {
        TaskError::Failed(error) => context.with_shared_exception(error),
        TaskError::Panicked(payload) => context.with_panic(payload),
        other => context.with_exception(other),
    };
    connection.event_loop().call_exception_handler(context);
    connection.close();
}
