//! The example `fetch`, as a user runs it, against servers of the standard library.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A server that answers each path with bytes that were written down, and closes; or stays silent,
/// with the connection open, if there are none for it.
fn serve(answers: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> String {
    let answers: Arc<HashMap<_, _>> = Arc::new(answers.into_iter().collect());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = answers.clone();
            thread::spawn(move || answer(stream.unwrap(), &answers));
        }
    });
    format!("http://{addr}")
}

fn answer(stream: TcpStream, answers: &HashMap<&str, Vec<u8>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(headers.iter().any(|it| it.starts_with("Host: 127.0.0.1:")));
    let path = request.split(' ').nth(1).unwrap().to_owned();
    match answers.get(path.as_str()) {
        // Whoever has had enough may go.
        Some(answer) => drop((&stream).write_all(answer)),
        None => thread::sleep(Duration::from_secs(60)),
    }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        answer.extend(format!("{:X};extension=1\r\n", chunk.len()).into_bytes());
        answer.extend_from_slice(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\nTrailer: yes\r\n\r\n");
    answer
}

fn until_close(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.0 200 OK\r\n\r\n", body].concat()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|it| (it.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

fn fetch<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Output {
    command(args).output().unwrap()
}

fn command<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples").join("fetch");
    assert!(
        example.exists(),
        "build it first: cargo build --example fetch"
    );
    let args = args.into_iter().map(|it| it.as_ref().to_owned());
    let mut command = Command::new(example);
    command.args(args);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A directory that is not there yet.
fn directory(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("ouroloop-fetch-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Fetches one page that fails, between two that do not.
fn failure(answers: Vec<(&'static str, Vec<u8>)>, url: impl Fn(&str) -> String) -> String {
    let good = [("/first", with_length(b"1")), ("/last", with_length(b"2"))];
    let server = serve(good.into_iter().chain(answers));
    let bad = url(&server);
    let dir = directory(&format!("failure-{}", server.replace(['/', ':'], "-")));
    let output = fetch([
        "--timeout",
        "2",
        "--out",
        dir.to_str().unwrap(),
        &format!("{server}/first"),
        &bad,
        &format!("{server}/last"),
    ]);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert_eq!(out.lines().count(), 3, "two pages and the summary: {out}");
    assert!(out.contains("/first\n") && out.contains("/last\n"), "{out}");
    assert!(out.ends_with("; 1 failed\n"), "{out}");
    assert_eq!(err.lines().count(), 1, "one line for the failure: {err}");
    assert_eq!(files(&dir), ["first", "last"], "nothing is left of it");
    fs::remove_dir_all(dir).unwrap();
    let line = err.strip_prefix(&format!("error: {bad}: ")).expect(&err);
    line.trim_end().to_owned()
}

#[test]
fn without_arguments_it_fetches_twenty_pages_of_its_own_at_once() {
    let begun = Instant::now();
    let output = fetch([""; 0]);
    let out = stdout(&output);
    assert!(output.status.success(), "{out}{}", stderr(&output));
    assert_eq!(out.lines().filter(|it| it.starts_with("200 ")).count(), 20);
    assert!(
        out.lines().last().unwrap().starts_with("20 pages, "),
        "{out}"
    );
    // One after the other they would take 4.75 s.
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn pages_are_saved_byte_for_byte_whatever_their_framing() {
    let body = bytes(300_000);
    let (some, none) = (body.clone(), Vec::new());
    let mut after_continue = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    after_continue.extend(with_length(&body));
    let server = serve([
        ("/length", with_length(&body)),
        ("/chunks-1k", chunked(&body, 1000)),
        ("/chunks-100k", chunked(&body, 100_000)),
        ("/close", until_close(&body)),
        ("/continue", after_continue),
        ("/empty", with_length(&none)),
        ("/empty-chunks", chunked(&none, 1)),
        ("/no-content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        (
            "/more-than-its-length",
            [with_length(&some), b"rest".to_vec()].concat(),
        ),
    ]);
    let names = [
        ("chunks-100k", true),
        ("chunks-1k", true),
        ("close", true),
        ("continue", true),
        ("empty", false),
        ("empty-chunks", false),
        ("length", true),
        ("more-than-its-length", true),
        ("no-content", false),
    ];
    let dir = directory("framing");
    let mut args = vec!["--out".to_owned(), dir.to_str().unwrap().to_owned()];
    args.extend(names.iter().map(|(name, _)| format!("{server}/{name}")));
    let output = fetch(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(files(&dir), names.map(|it| it.0));
    for (name, is_full) in names {
        let expected = if is_full { &body } else { &none };
        assert!(&fs::read(dir.join(name)).unwrap() == expected, "{name}");
    }
    assert!(stdout(&output).contains("204  "), "{}", stdout(&output));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn many_pages_at_once_keep_their_bytes_apart() {
    const SIZES: [usize; 5] = [1, 1000, 65_536, 65_537, 3_000_000];
    let server = serve([
        ("/0", with_length(&bytes(SIZES[0]))),
        ("/1", chunked(&bytes(SIZES[1]), 7)),
        ("/2", until_close(&bytes(SIZES[2]))),
        ("/3", with_length(&bytes(SIZES[3]))),
        ("/4", chunked(&bytes(SIZES[4]), 10_000)),
    ]);
    let dir = directory("many");
    let dir_text = dir.to_str().unwrap();
    let mut args: Vec<_> = ["--concurrency", "50", "--out", dir_text]
        .map(String::from)
        .into();
    args.extend((0..50).map(|number| format!("{server}/{}", number % 5)));
    let output = fetch(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(files(&dir).len(), 50);
    for (number, size) in SIZES.into_iter().enumerate() {
        let expected = bytes(size);
        for copy in 1..=10 {
            let name = if copy == 1 {
                number.to_string()
            } else {
                format!("{number}.{copy}")
            };
            assert!(fs::read(dir.join(&name)).unwrap() == expected, "{name}");
        }
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn names_are_made_of_the_last_segment_and_never_twice() {
    let page = |text: &str| with_length(text.as_bytes());
    let server = serve([
        ("/", page("root")),
        ("/dir/", page("dir")),
        ("/a/x.html?q=1", page("a")),
        ("/b/x.html", page("b")),
        ("/x.html.2", page("c")),
        ("/..", page("up")),
    ]);
    let dir = directory("names");
    let paths = [
        "/",
        "/dir/",
        "/a/x.html?q=1",
        "/b/x.html",
        "/x.html.2",
        "/..",
        "",
    ];
    let mut args = vec!["--out".to_owned(), dir.to_str().unwrap().to_owned()];
    args.extend(paths.iter().map(|path| format!("{server}{path}")));
    let output = fetch(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Vec<_> = files(&dir)
        .into_iter()
        .map(|name| format!("{name}: {}", fs::read_to_string(dir.join(&name)).unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            "index.html: root",
            "index.html.2: dir",
            "index.html.3: up",
            "index.html.4: root",
            "x.html: a",
            "x.html.2: b",
            "x.html.2.2: c",
        ]
    );
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_refused_port_is_one_line() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let line = failure(vec![], |_| format!("http://127.0.0.1:{port}/page"));
    assert!(
        line.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")),
        "{line}"
    );
}

#[test]
fn a_host_that_is_not_there_is_one_line() {
    let line = failure(vec![], |_| "http://nowhere.invalid/page".into());
    let is_one = line.starts_with("cannot look up `nowhere.invalid`: ");
    // Where there is no network the resolver may take its time over that.
    assert!(is_one || line.starts_with("no answer within"), "{line}");
}

#[test]
fn a_page_that_does_not_come_is_one_line() {
    let begun = Instant::now();
    let line = failure(vec![], |server| format!("{server}/never"));
    assert_eq!(line, "no answer within 2s");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_body_that_stalls_is_one_line_and_leaves_no_file() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
        stream.write_all(answer).unwrap();
        thread::sleep(Duration::from_secs(60));
    });
    let line = failure(vec![], |_| format!("http://{addr}/stalls"));
    assert_eq!(line, "no answer within 2s");
}

#[test]
fn a_bad_url_is_one_line() {
    for (url, cause) in [
        (
            "https://127.0.0.1/",
            "bad URL: it has to begin with http://",
        ),
        ("127.0.0.1/page", "bad URL: "),
        ("/page", "bad URL: it has to begin with http://"),
        ("http://", "bad URL: "),
        ("http:///page", "bad URL: "),
        ("http://127.0.0.1:99999/", "bad URL: "),
        ("http://127.0.0.1:/", "bad URL: "),
        ("http://me:secret@127.0.0.1/", "bad URL: user names"),
        ("http://a b/", "bad URL: "),
    ] {
        let line = failure(vec![], |_| url.into());
        assert!(line.starts_with(cause), "{url}: {line}");
    }
}

#[test]
fn a_truncated_body_is_one_line() {
    let mut short = with_length(b"12345");
    short.pop();
    let line = failure(vec![("/short", short)], |server| format!("{server}/short"));
    assert_eq!(line, "the page is truncated: it ended after 4 bytes");

    let whole = chunked(b"12345", 2);
    // Wherever a chunked body ends early, it is noticed.
    let body_begins = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    for end in [
        body_begins,
        body_begins + 3,
        whole.len() - 22,
        whole.len() - 2,
    ] {
        let cut = whole[..end].to_vec();
        let line = failure(vec![("/cut", cut)], |server| format!("{server}/cut"));
        assert!(line.starts_with("the page is truncated"), "{end}: {line}");
    }
}

#[test]
fn an_answer_that_is_not_http_is_one_line() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "nothing came"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "its head is incomplete"),
        (b"HTTP/1.1 OK\r\n\r\n", "invalid"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "invalid"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "its length is not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "its length is not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "its transfer encoding is unknown",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "a chunk has no size",
        ),
    ];
    for (answer, cause) in cases {
        let line = failure(vec![("/odd", answer.to_vec())], |server| {
            format!("{server}/odd")
        });
        let rest = line.strip_prefix("the answer is not HTTP: ").expect(&line);
        assert!(rest.contains(cause), "{rest} is not {cause}");
    }
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 100_000]].concat();
    let line = failure(vec![("/odd", endless)], |server| format!("{server}/odd"));
    assert!(line.contains("a line is too long"), "{line}");
}

#[test]
fn a_status_that_is_no_success_is_a_page_all_the_same() {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n".to_vec();
    let server = serve([("/absent", answer)]);
    let output = fetch([format!("{server}/absent")]);
    assert!(output.status.success());
    assert!(stdout(&output).starts_with("404  "), "{}", stdout(&output));
}

#[test]
fn bad_flags_exit_with_2_and_the_usage() {
    for flags in [
        &["--no-such-flag"][..],
        &["--concurrency", "0"],
        &["--concurrency", "many"],
        &["--timeout", "0"],
        &["--timeout", "-1"],
        &["--timeout", "nan"],
        &["--out"],
    ] {
        let output = fetch(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(stdout(&output).is_empty(), "{flags:?}");
        let err = stderr(&output);
        assert!(
            err.contains("--help") || err.contains("Usage"),
            "{flags:?}: {err}"
        );
    }
    let help = fetch(["--help"]);
    assert!(help.status.success());
    assert!(stdout(&help).contains("Usage: fetch"), "{}", stdout(&help));
}

#[test]
fn a_directory_that_cannot_be_made_is_one_line_with_the_option_and_the_path() {
    let file = directory("a-file");
    fs::write(&file, "").unwrap();
    for dir in ["/proc/no/such/place", file.to_str().unwrap()] {
        let output = fetch(["--out", dir, "http://127.0.0.1:1/"]);
        assert_eq!(output.status.code(), Some(1));
        let err = stderr(&output);
        let begin = format!("error: --out {dir}: cannot make this directory: ");
        assert!(err.starts_with(&begin), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_is_full_is_one_line_and_a_failure() {
    let page = with_length(b"page");
    let server = serve([("/a", page.clone()), ("/b", page)]);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command([format!("{server}/a"), format!("{server}/b")])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = stderr(&output);
    assert!(
        err.starts_with("error: cannot write to standard output: "),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn who_reads_no_further_is_no_failure() {
    let server = serve([("/a", with_length(b"page"))]);
    let mut child = command([format!("{server}/a")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}
