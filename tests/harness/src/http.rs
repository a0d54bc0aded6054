//! A plain HTTP client, enough for the loopback services of the harness: one request a connection, no TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

/// Longest wait for a connection or for more of an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Response {
    /// The body of a 200.
    ///
    /// # Errors
    /// On any other status.
    pub fn ok(self) -> anyhow::Result<String> {
        anyhow::ensure!(self.status == 200, "status {}: {}", self.status, self.body);
        Ok(self.body)
    }
}

/// GETs `path` from 127.0.0.1.
///
/// # Errors
/// When nothing answers in time.
pub fn get(port: u16, path: &str) -> anyhow::Result<Response> {
    exchange(port, "GET", path, &[], "")
}

/// POSTs `body` to `path` at 127.0.0.1.
///
/// # Errors
/// When nothing answers in time.
pub fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Response> {
    exchange(port, "POST", path, headers, body)
}

fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Response> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // HTTP/1.0, so that the answer comes unchunked and ends with the connection (RFC 9112, section 6.3).
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8(answer)?).with_context(|| format!("{method} {path} got no HTTP answer"))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let answer = parse("HTTP/1.1 404 Not Found\r\nx: y\r\n\r\nno\r\n\r\nsuch");
        assert_eq!(answer, Some(Response { status: 404, body: "no\r\n\r\nsuch".to_owned() }));
        assert_eq!(parse(""), None);
        assert_eq!(parse("nonsense\r\n\r\n"), None);
    }
}
