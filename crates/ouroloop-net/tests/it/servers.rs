//! `Server` (H24), and accepting without descriptors.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use ouroloop_combinators::{sleep, timeout};
use ouroloop_core::{ContextVar, get_running_loop, new_event_loop};
use ouroloop_net::{NetError, Server, StreamReader, StreamWriter, open_connection, start_server};
use ouroloop_task::{LoopTasks, all_tasks, bare_yield, create_task};
use ouroloop_testkit::Reports;

use crate::support::{alone, fill, pair, polls, receive, run, run_on, turns};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> Result<(), NetError> {
    loop {
        let some = reader.read(4096).await?;
        if some.is_empty() {
            return Ok(());
        }
        writer.write(&some)?;
        writer.drain().await?;
    }
}

async fn never_ends(_reader: StreamReader, _writer: StreamWriter) {
    std::future::pending().await
}

async fn connect(server: &Server) -> (StreamReader, StreamWriter) {
    let addr = server.local_addrs()[0];
    open_connection(&addr.ip().to_string(), addr.port())
        .await
        .unwrap()
}

async fn ends_in_time<F: Future>(future: F) -> Option<F::Output> {
    timeout(Duration::from_millis(50), future).await.ok()
}

#[test]
fn many_clients_are_served_at_once() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let clients = (0..200_u32).map(|number| {
            let server = server.clone();
            async move {
                let (mut reader, writer) = connect(&server).await;
                let line = format!("client {number}\n");
                for _ in 0..5 {
                    writer.write(line.as_bytes()).unwrap();
                    assert_eq!(reader.readline().await.unwrap(), line.as_bytes());
                }
                writer.close();
                writer.wait_closed().await.unwrap();
            }
        });
        join_all(clients).await;
        server.close();
        server.wait_closed().await.unwrap();
        assert_eq!(server.client_count(), 0);
        assert_eq!(get_running_loop().unwrap().statistics().io_sources, 0);
    });
}

#[test]
fn it_listens_on_each_host() {
    run(async {
        let server = start_server(echo, ["127.0.0.1", "127.0.0.2", "127.0.0.1"], 0)
            .await
            .unwrap();
        let hosts: Vec<_> = server.local_addrs().iter().map(SocketAddr::ip).collect();
        assert_eq!(hosts.len(), 2, "{hosts:?}");
        for addr in server.local_addrs() {
            TcpStream::connect(addr).unwrap();
        }
        let everywhere = start_server(echo, None, 0).await.unwrap();
        assert!(
            everywhere
                .local_addrs()
                .iter()
                .all(|it| it.ip().is_unspecified())
        );
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_and_one_that_was_is_not() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let addr = server.local_addrs()[0];
        match start_server(echo, "127.0.0.1", addr.port()).await {
            Err(NetError::BindFailed {
                addr: named,
                source,
            }) => {
                assert_eq!(named, addr);
                assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
            }
            other => panic!("{other:?}"),
        }
        // This end closes first, so its port is in TIME_WAIT.
        let peer = TcpStream::connect(addr).unwrap();
        turns().await;
        server.close_clients();
        server.close();
        server.wait_closed().await.unwrap();
        drop(peer);
        start_server(echo, "127.0.0.1", addr.port()).await.unwrap();
    });
}

#[test]
fn one_host_that_cannot_be_bound_leaves_none_of_them_bound() {
    run(async {
        let taken = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let failed = start_server(echo, ["127.0.0.1", "127.0.0.2"], port).await;
        assert!(matches!(failed, Err(NetError::BindFailed { addr, .. })
            if addr == taken.local_addr().unwrap()));
        assert_eq!(get_running_loop().unwrap().statistics().io_sources, 0);
        // Nobody holds the other one.
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    });
}

#[test]
fn start_serving_is_idempotent_and_may_come_later() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0)
            .start_serving(false)
            .await
            .unwrap();
        assert!(!server.is_serving());
        let addr = server.local_addrs()[0];
        assert!(TcpStream::connect(addr).is_err(), "it does not listen yet");
        server.start_serving().await.unwrap();
        server.start_serving().await.unwrap();
        assert!(server.is_serving());
        assert_eq!(server.local_addrs(), [addr]);
        TcpStream::connect(addr).unwrap();
        server.close();
        assert!(matches!(
            server.start_serving().await,
            Err(NetError::ServerClosed)
        ));
    });
}

#[test]
fn a_server_that_is_dropped_goes_on() {
    run(async {
        let addr = start_server(echo, "127.0.0.1", 0)
            .await
            .unwrap()
            .local_addrs()[0];
        let mut peer = TcpStream::connect(addr).unwrap();
        peer.write_all(b"hello").unwrap();
        assert_eq!(receive(&peer, 5).await, b"hello");
    });
}

#[test]
fn a_handler_that_fails_is_reported_and_closes_its_connection() {
    let event_loop = new_event_loop().unwrap();
    let reports = Reports::of(&event_loop);
    run_on(&event_loop, async {
        let handler = async |mut reader: StreamReader, writer: StreamWriter| {
            let line = reader.readline().await?;
            assert_ne!(line, b"panic\n", "by request");
            if line == b"error\n" {
                return Err(std::io::Error::other("on request").into());
            }
            writer.write(b"fine")?;
            Ok::<_, NetError>(())
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        for (line, answer) in [
            (&b"panic\n"[..], &b""[..]),
            (b"error\n", b""),
            (b"x\n", b"fine"),
        ] {
            let (mut reader, writer) = connect(&server).await;
            writer.write(line).unwrap();
            assert_eq!(reader.read_to_end().await.unwrap(), answer);
        }
    });
    let reports = reports.take();
    assert_eq!(reports.len(), 2, "{reports:?}");
    for (report, cause) in reports.iter().zip(["by request", "on request"]) {
        let report = report.to_string();
        assert!(report.starts_with("Unhandled exception in client_connected_cb"));
        assert!(report.contains(cause), "{report}");
    }
    event_loop.close().unwrap();
}

#[test]
fn a_handler_that_is_cancelled_closes_its_connection() {
    run(async {
        let kept = Rc::new(RefCell::new(Vec::new()));
        let keep = kept.clone();
        let handler = move |reader, writer| {
            // Dropping the handler does not drop these.
            keep.borrow_mut().push((reader, writer));
            std::future::pending::<()>()
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        let before = all_tasks();
        let (mut reader, _writer) = connect(&server).await;
        turns().await;
        for task in all_tasks() {
            if !before.iter().any(|it| it.id() == task.id()) {
                task.cancel();
            }
        }
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert_eq!(kept.borrow().len(), 1);
    });
}

#[test]
fn each_handler_runs_in_a_copy_of_the_context_of_its_server() {
    static WHO: ContextVar<&'static str> = ContextVar::new("who");
    run(async {
        WHO.set("starter");
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = seen.clone();
        let handler = move |_reader, _writer| {
            let log = log.clone();
            async move {
                log.borrow_mut().push(WHO.get());
                WHO.set("handler");
            }
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        WHO.set("later");
        for _ in 0..2 {
            connect(&server).await.0.read(1).await.unwrap();
        }
        assert_eq!(*seen.borrow(), [Some("starter"), Some("starter")]);
    });
}

#[test]
fn serve_forever_is_for_one_at_a_time_and_ends_with_close() {
    run(async {
        let server = start_server(never_ends, "127.0.0.1", 0).await.unwrap();
        let serving = server.clone();
        let task = create_task(async move { serving.serve_forever().await });
        turns().await;
        assert!(matches!(
            server.serve_forever().await,
            Err(NetError::AlreadyServing)
        ));
        assert!(server.is_serving(), "the refusal changes nothing");
        server.close();
        assert!(task.await.unwrap().is_ok());
        assert!(matches!(
            server.serve_forever().await,
            Err(NetError::ServerClosed)
        ));
    });
}

#[test]
fn serve_forever_closes_the_server_when_it_is_cancelled() {
    run(async {
        let server = start_server(never_ends, "127.0.0.1", 0).await.unwrap();
        let serving = server.clone();
        let task = create_task(async move { serving.serve_forever().await });
        let (_reader, writer) = connect(&server).await;
        turns().await;
        task.cancel();
        turns().await;
        assert!(!server.is_serving());
        assert!(!task.done(), "a client is there");
        server.close_clients();
        assert!(task.await.unwrap_err().is_cancelled());
        drop(writer);
    });
}

#[test]
fn serve_forever_that_is_dropped_closes_the_server() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        {
            let mut serving = Box::pin(server.serve_forever());
            let waker = std::task::Waker::noop();
            let mut cx = std::task::Context::from_waker(waker);
            assert!(serving.as_mut().poll(&mut cx).is_pending());
        }
        assert!(!server.is_serving());
        assert!(matches!(
            server.serve_forever().await,
            Err(NetError::ServerClosed)
        ));
    });
}

/// What the clients of a server that is closed are about.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Clients {
    None,
    Idle,
    Busy,
    NeverEnding,
}

#[test]
fn h24_every_way_to_close_comes_to_an_end() {
    run(async {
        for clients in [
            Clients::None,
            Clients::Idle,
            Clients::Busy,
            Clients::NeverEnding,
        ] {
            for (way, force) in [
                ("close", None),
                ("close clients", Some(false)),
                ("abort", Some(true)),
            ] {
                close_with(clients, way, force).await;
            }
        }
    });
}

async fn close_with(clients: Clients, way: &str, force: Option<bool>) {
    let what = format!("{way} with clients {clients:?}");
    let server = if clients == Clients::NeverEnding {
        start_server(never_ends, "127.0.0.1", 0).await.unwrap()
    } else {
        start_server(echo, "127.0.0.1", 0).await.unwrap()
    };
    let addr = server.local_addrs()[0];
    let mut connected = Vec::new();
    if clients != Clients::None {
        connected.push(connect(&server).await);
    }
    if clients == Clients::Busy {
        // More than fits on the way, and nobody reads what comes back.
        connected[0].1.write(&vec![0; 32 * 1024 * 1024]).unwrap();
    }
    turns().await;
    assert_eq!(server.client_count(), connected.len(), "{what}");
    assert!(
        ends_in_time(server.wait_closed()).await.is_none(),
        "{what}: it is open"
    );
    server.close();
    server.close();
    assert!(TcpStream::connect(addr).is_err(), "{what}: nobody listens");
    match force {
        None => {}
        Some(false) => server.close_clients(),
        Some(true) => server.abort_clients(),
    }
    let busy = clients == Clients::Busy;
    let ends = clients == Clients::None || force == Some(true) || (force.is_some() && !busy);
    let ended = ends_in_time(server.wait_closed()).await;
    assert_eq!(ended.is_some(), ends, "{what}");
    // Whoever is there ends it by going away.
    let writers: Vec<_> = connected.into_iter().map(|(_, writer)| writer).collect();
    for writer in &writers {
        writer.abort();
    }
    if clients == Clients::NeverEnding && force.is_none() {
        server.close_clients();
    }
    let ended = timeout(Duration::from_secs(5), server.wait_closed()).await;
    assert!(matches!(ended, Ok(Ok(()))), "{what}");
}

#[test]
fn wait_closed_ends_in_either_order() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (_reader, writer) = connect(&server).await;
        turns().await;
        let waiting = server.clone();
        let task = create_task(async move { waiting.wait_closed().await });
        writer.close();
        turns().await;
        assert!(!task.done(), "no clients, but open");
        server.close();
        task.await.unwrap().unwrap();
    });
}

#[test]
fn a_crowd_at_the_door_leaves_time_for_others() {
    run(async {
        let server = start_server(never_ends, "127.0.0.1", 0)
            .backlog(128)
            .await
            .unwrap();
        drop(server);
        let small = start_server(never_ends, "127.0.0.1", 0)
            .backlog(2)
            .await
            .unwrap();
        let addr = small.local_addrs()[0];
        let peers: Vec<_> = (0..3).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let most = Rc::new(Cell::new(0));
        let mut before = 0;
        while before < peers.len() {
            bare_yield().await;
            let now = small.client_count();
            most.set(most.get().max(now - before));
            before = now;
        }
        assert_eq!(
            most.get(),
            2,
            "the backlog is accepted at once, and no more"
        );
    });
}

#[test]
fn h08_without_descriptors_the_listener_rests_and_comes_back() {
    const NAME: &str = "servers::h08_without_descriptors_the_listener_rests_and_comes_back";
    alone(NAME, Some(40), || {
        let event_loop = new_event_loop().unwrap();
        let reports = Reports::of(&event_loop);
        run_on(&event_loop, async move {
            let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
            let addr = server.local_addrs()[0];
            let mut peers = Vec::new();
            for _ in 0..3 {
                peers.push(TcpStream::connect(addr).unwrap());
                turns().await;
            }
            let crowded = std::time::Instant::now();
            // No turn between these: they take the last descriptor, however many were left.
            while let Ok(peer) = TcpStream::connect(addr) {
                peers.push(peer);
                assert!(peers.len() < 40, "there is no limit");
            }
            turns().await;
            let waiting = peers.len() - server.client_count();
            assert!(waiting > 0, "all were accepted");
            assert!(server.client_count() > 0, "none was accepted");
            let reports = reports.take();
            assert_eq!(reports.len(), 1, "{reports:?}");
            let report = reports[0].to_string();
            assert!(report.starts_with("socket.accept() out of system resource"));

            let before = polls();
            let begun = std::time::Instant::now();
            sleep(Duration::from_millis(300)).await;
            assert!(polls() - before <= 4, "{} polls", polls() - before);
            // Those who are in are served meanwhile.
            peers[0].write_all(b"hello").unwrap();
            assert_eq!(receive(&peers[0], 5).await, b"hello");

            let mut last = peers.pop().unwrap();
            drop(peers);
            last.write_all(b"at last").unwrap();
            while server.client_count() != 1 {
                sleep(Duration::from_millis(10)).await;
                assert!(
                    begun.elapsed() < Duration::from_secs(3),
                    "it does not come back"
                );
            }
            assert_eq!(receive(&last, 7).await, b"at last");
            assert!(crowded.elapsed() >= Duration::from_secs(1), "the pause");
        });
        event_loop.close().unwrap();
    });
}

#[test]
fn a_task_factory_that_panics_costs_one_client_and_no_other() {
    let event_loop = new_event_loop().unwrap();
    let reports = Reports::of(&event_loop);
    let factory_loop = event_loop.downgrade();
    run_on(&event_loop, async move {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let first = Cell::new(true);
        factory_loop
            .set_task_factory(Some(Rc::new(move |options| {
                assert!(!first.replace(false), "the factory, once");
                options
            })))
            .unwrap();
        let (mut reader, _writer) = connect(&server).await;
        assert_eq!(reader.read(1).await.unwrap(), b"", "this one is lost");
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"hi\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hi\n");
        writer.close();
        factory_loop.set_task_factory(None).unwrap();
        server.close();
        server.wait_closed().await.unwrap();
    });
    assert_eq!(reports.take().len(), 1);
    event_loop.close().unwrap();
}

#[test]
fn a_wait_graph_names_what_tasks_wait_for_on_streams_and_servers() {
    run(async {
        let server = Rc::new(start_server(echo, "127.0.0.1", 0).await.unwrap());
        let serving = server.clone();
        let serving = create_task(async move { serving.serve_forever().await.map(drop) });
        let (_reader, writer, _peer) = pair().await;
        fill(&writer).await;
        writer.set_write_buffer_limits(0, 0).unwrap();
        let writer = Rc::new(writer);
        let draining = writer.clone();
        let draining = create_task(async move { draining.drain().await });
        turns().await;
        let graph = get_running_loop().unwrap().wait_graph();
        let kind = |id| graph.task(id).unwrap().waits_for[0].kind;
        assert_eq!(kind(serving.id()), "Server.serve_forever");
        assert_eq!(kind(draining.id()), "StreamWriter.drain");
        serving.cancel();
        draining.cancel();
        turns().await;
    });
}
