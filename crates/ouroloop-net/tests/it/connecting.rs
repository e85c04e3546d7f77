//! `open_connection`.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use ouroloop_combinators::{gather, sleep, timeout};
use ouroloop_core::{get_running_loop, new_event_loop};
use ouroloop_net::{
    LoopNet, NetError, Resolver, StreamReader, StreamWriter, open_connection, start_server,
};
use ouroloop_task::{TaskError, bare_yield, create_task};
use ouroloop_testkit::Random;

use crate::support::{alone, pair_with_limit, run, run_on};

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_refused_connection_names_its_address() {
    run(async {
        let port = free_port();
        let error = open_connection("127.0.0.1", port).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot connect to 127.0.0.1:{port}: "))
        );
        let error = std::io::Error::from(error);
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn addresses_are_tried_in_their_order() {
    let event_loop = new_event_loop().unwrap();
    event_loop
        .set_getaddrinfo(Resolver::new(|_, port| {
            Ok(vec![
                ([127, 0, 0, 2], port).into(),
                ([127, 0, 0, 3], port).into(),
                ([127, 0, 0, 1], port).into(),
            ])
        }))
        .unwrap();
    run_on(&event_loop, async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_reader, writer) = open_connection("three", port).await.unwrap();
        assert_eq!(writer.peer_addr(), Some(listener.local_addr().unwrap()));
        drop(listener);
        match open_connection("three", port).await {
            Err(NetError::ConnectFailed { attempts }) => {
                let addrs: Vec<_> = attempts.iter().map(|it| it.addr.ip().to_string()).collect();
                assert_eq!(addrs, ["127.0.0.2", "127.0.0.3", "127.0.0.1"]);
            }
            other => panic!("nobody listens, but {other:?}"),
        }
    });
    event_loop.close().unwrap();
}

#[test]
fn options_reach_the_connection() {
    run(async {
        let (reader, _writer, _peer) = pair_with_limit(17).await;
        assert_eq!(reader.limit(), 17);
        let (reader, _writer, _peer) = pair_with_limit(0).await;
        assert_eq!(reader.limit(), 1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_reader, writer) = open_connection("127.0.0.1", listener.local_addr().unwrap().port())
            .local_addr("127.0.0.9:0".parse().unwrap())
            .await
            .unwrap();
        assert_eq!(writer.local_addr().unwrap().ip().to_string(), "127.0.0.9");
    });
}

#[test]
fn the_limit_of_both_ends_is_64_kib_unless_it_is_set() {
    run(async {
        let limits = Rc::new(RefCell::new(Vec::new()));
        for limit in [None, Some(99)] {
            let log = limits.clone();
            let handler = move |reader: StreamReader, _writer| {
                log.borrow_mut().push(reader.limit());
                async {}
            };
            let mut server = start_server(handler, "127.0.0.1", 0);
            if let Some(limit) = limit {
                server = server.limit(limit);
            }
            let port = server.await.unwrap().local_addrs()[0].port();
            let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
            assert_eq!(reader.limit(), 64 * 1024);
            assert_eq!(reader.read_to_end().await.unwrap(), b"");
        }
        assert_eq!(*limits.borrow(), [64 * 1024, 99]);
    });
}

#[test]
fn a_cancelled_attempt_closes_its_socket() {
    run(async {
        // A listener whose queue is full answers nobody.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&listener).listen(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut accepted = Vec::new();
        let late = loop {
            let attempt = open_connection("127.0.0.1", port);
            match timeout(Duration::from_millis(50), attempt).await {
                Ok(connected) => accepted.push(connected.unwrap()),
                Err(late) => break late,
            }
            assert!(accepted.len() < 10, "the queue has no end");
        };
        assert!(late.to_string().starts_with("timed out"));
        let sources = get_running_loop().unwrap().statistics().io_sources;
        assert_eq!(sources, accepted.len());
    });
}

#[test]
fn a_port_that_is_not_there_fails_for_each_of_many_at_once() {
    run(async {
        let port = free_port();
        let attempts = (0..100).map(|_| open_connection("127.0.0.1", port));
        for result in futures_util::future::join_all(attempts).await {
            assert!(matches!(result, Err(NetError::ConnectFailed { .. })));
        }
        assert_eq!(get_running_loop().unwrap().statistics().io_sources, 0);
    });
}

#[test]
fn errors_of_tasks_and_gathers_become_its_own() {
    async fn client(fails: bool) -> Result<u32, NetError> {
        match fails {
            true => Err(NetError::ConnectionLost),
            false => Ok(1),
        }
    }
    async fn both() -> Result<u32, NetError> {
        let one = create_task(client(false)).await??;
        let all = gather([client(false), client(true)]).await?;
        Ok(one + all.len() as u32)
    }
    run(async {
        assert!(matches!(both().await, Err(NetError::ConnectionLost)));
        let cancelled = create_task(std::future::pending::<()>());
        cancelled.cancel();
        let error = NetError::from(cancelled.await.unwrap_err());
        assert!(matches!(&error, NetError::Task(error) if error.is_cancelled()));
    });
}

#[test]
fn h01_attempts_that_are_cancelled_at_any_moment_bring_nobody_another_ones_bytes() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 150;
    run(async {
        // Says to each client what it has said.
        let echo = async |mut reader: StreamReader, writer: StreamWriter| {
            while let Ok(line) = reader.readline().await {
                if line.is_empty() || writer.write(&line).is_err() {
                    return;
                }
            }
        };
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addrs()[0].port();
        let answered = Rc::new(Cell::new(0));
        let clients = (0..CLIENTS).map(|client| {
            let answered = answered.clone();
            create_task(async move {
                let mut random = Random::new(client as u64);
                for round in 0..ROUNDS {
                    let answered = answered.clone();
                    let attempt = create_task(async move {
                        let (mut reader, writer) = open_connection("127.0.0.1", port).await?;
                        let name = format!("client {client}, round {round}\n");
                        for _ in 0..3 {
                            writer.write(name.as_bytes())?;
                            assert_eq!(reader.readline().await?, name.as_bytes());
                        }
                        answered.set(answered.get() + 1);
                        Ok::<_, NetError>(())
                    });
                    for _ in 0..random.below(12) {
                        bare_yield().await;
                    }
                    if random.one_in(2) {
                        sleep(Duration::from_micros(random.next_u64() % 3000)).await;
                    }
                    attempt.cancel();
                    match attempt.await {
                        Ok(result) => result.unwrap(),
                        Err(error) => assert!(matches!(error, TaskError::Cancelled(_)), "{error}"),
                    }
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        let answered = answered.get();
        assert!(answered > 0, "all were cancelled too early");
        assert!(answered < CLIENTS * ROUNDS, "none was cancelled");
        server.close();
        server.wait_closed().await.unwrap();
        assert_eq!(get_running_loop().unwrap().statistics().io_sources, 0);
    });
}

#[test]
fn h08_without_descriptors_an_attempt_fails_and_leaves_none_behind() {
    const NAME: &str =
        "connecting::h08_without_descriptors_an_attempt_fails_and_leaves_none_behind";
    const EMFILE: i32 = 24;
    alone(NAME, Some(40), || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut open = Vec::new();
            let error = loop {
                match open_connection("127.0.0.1", port).await {
                    Ok(ends) => open.push(ends),
                    Err(error) => break error,
                }
                assert!(open.len() < 40, "there is no limit");
            };
            let NetError::ConnectFailed { attempts } = error else {
                panic!("{error:?}");
            };
            assert_eq!(attempts[0].error.raw_os_error(), Some(EMFILE));
            for _ in 0..3 {
                assert!(open_connection("127.0.0.1", port).await.is_err());
                open.pop();
                open.push(open_connection("127.0.0.1", port).await.unwrap());
            }
        });
    });
}
