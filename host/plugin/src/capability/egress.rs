//! What stands behind `egress`: the operator's list and the bounds. Requests leave through [`Outbound`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::destination::{EgressHost, Target};
use super::outbound::{Outbound, OutboundError, OutboundReply, OutboundRequest};
use crate::limits::{
    EGRESS_AT_ONCE_MAX, EGRESS_BODY_BYTES_MAX, EGRESS_HEADER_BYTES_MAX, EGRESS_HEADERS_MAX,
    EGRESS_REPLY_BYTES_MAX, EGRESS_REQUESTS_MAX, EGRESS_TIME_MAX, EGRESS_URL_BYTES_MAX,
};

/// A plugin's way out.
pub(crate) struct Egress {
    allowed: Vec<EgressHost>,
    outbound: Arc<dyn Outbound>,
    under_way: AtomicUsize,
}

/// A request as the plugin wrote it.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuestRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request that is not sent, or gets no reply. The text is shown to the plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("the methods are GET, HEAD, POST, PUT, PATCH and DELETE")]
    Method,
    #[error("the URL is not https://HOST/PATH in at most {EGRESS_URL_BYTES_MAX} printable bytes")]
    Url,
    #[error("{0} is not a host that the operator allows")]
    NotAllowed(String),
    #[error("the header {0} cannot be sent; those that can are {list}", list = HEADERS.join(", "))]
    Header(String),
    #[error("more than {EGRESS_HEADERS_MAX} headers or {EGRESS_HEADER_BYTES_MAX} bytes of them")]
    Headers,
    #[error("the body has more than {EGRESS_BODY_BYTES_MAX} bytes")]
    Body,
    #[error("too many requests are under way")]
    Busy,
    #[error("an exchange has {EGRESS_REQUESTS_MAX} requests and {} ms for them", EGRESS_TIME_MAX.as_millis())]
    Spent,
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// What a plugin may say of its request. Nothing that decides about the connection or the message's length, or that a
/// server could take for the word of a proxy before it.
const HEADERS: [&str; 11] = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "traceparent",
    "x-api-key",
    "x-request-id",
];

impl Egress {
    pub(super) fn new(allowed: Vec<EgressHost>, outbound: Arc<dyn Outbound>) -> Self {
        Self { allowed, outbound, under_way: AtomicUsize::new(0) }
    }

    /// Sends what may be sent. Blocks for at most `timeout`.
    pub(crate) fn fetch(
        &self,
        request: GuestRequest,
        timeout: Duration,
    ) -> Result<OutboundReply, EgressError> {
        let GuestRequest { method, url, headers, body } = request;
        let method = METHODS.into_iter().find(|known| *known == method).ok_or(EgressError::Method)?;
        let target = Some(&*url).filter(|url| url.len() <= EGRESS_URL_BYTES_MAX).and_then(Target::parse);
        let target = target.ok_or(EgressError::Url)?;
        let host = self.allowed.iter().find(|host| target.is_at(host));
        let not_allowed = || EgressError::NotAllowed(format!("{}:{}", target.name, target.port));
        let host = host.ok_or_else(not_allowed)?;
        let headers = checked_headers(headers)?;
        if body.len() > EGRESS_BODY_BYTES_MAX {
            return Err(EgressError::Body);
        }
        let reply_bytes_max = EGRESS_REPLY_BYTES_MAX;
        let request = OutboundRequest {
            method,
            host,
            path: target.path,
            headers: &headers,
            body,
            timeout,
            reply_bytes_max,
        };
        let _place = Place::take(&self.under_way)?;
        let reply = self.outbound.fetch(request)?;
        if reply.body.len() > EGRESS_REPLY_BYTES_MAX {
            return Err(OutboundError::TooLong.into());
        }
        Ok(reply)
    }
}

fn checked_headers(headers: Vec<(String, String)>) -> Result<Vec<(String, String)>, EgressError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > EGRESS_HEADERS_MAX || bytes > EGRESS_HEADER_BYTES_MAX {
        return Err(EgressError::Headers);
    }
    headers.into_iter().map(checked_header).collect()
}

fn checked_header((name, value): (String, String)) -> Result<(String, String), EgressError> {
    let name = name.to_ascii_lowercase();
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if HEADERS.contains(&&*name) && printable {
        return Ok((name, value));
    }
    Err(EgressError::Header(crate::untrusted::clean_text(&name, NAME_BYTES_SHOWN)))
}

/// As much of a header's name as an error repeats.
const NAME_BYTES_SHOWN: usize = 64;

/// One of the requests that a plugin may have under way at once; given back when dropped.
struct Place<'c>(&'c AtomicUsize);

impl<'c> Place<'c> {
    fn take(count: &'c AtomicUsize) -> Result<Self, EgressError> {
        let next = |taken: usize| (taken < EGRESS_AT_ONCE_MAX).then_some(taken + 1);
        match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(Self(count)),
            Err(_) => Err(EgressError::Busy),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Says what it was asked.
    struct Echo;

    impl Outbound for Echo {
        fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
            let OutboundRequest { method, host, path, headers, body, .. } = request;
            let told = format!("{method} {host} {path} {headers:?} {}", body.len());
            Ok(OutboundReply { status: 200, headers: vec![], body: told.into_bytes() })
        }
    }

    fn egress() -> Egress {
        let allowed = ["h.example:443", "h.example:8443=10.0.0.1"];
        Egress::new(allowed.map(|host| host.parse().expect("a host")).to_vec(), Arc::new(Echo))
    }

    fn request(method: &str, url: &str) -> GuestRequest {
        GuestRequest { method: method.into(), url: url.into(), ..GuestRequest::default() }
    }

    fn told(request: GuestRequest) -> Result<String, EgressError> {
        let reply = egress().fetch(request, Duration::from_secs(1))?;
        Ok(String::from_utf8(reply.body).expect("text"))
    }

    #[test]
    fn requests_go_where_the_operator_allows() {
        let get = |url: &str| told(request("GET", url));
        assert_eq!(get("https://h.example/a?b"), Ok("GET h.example:443 /a?b [] 0".into()));
        assert_eq!(get("https://H.Example:8443"), Ok("GET h.example:8443=10.0.0.1 / [] 0".into()));
        let refused = |host: &str| Err(EgressError::NotAllowed(host.to_owned()));
        assert_eq!(get("https://h.example:444/"), refused("h.example:444"));
        assert_eq!(get("https://other.example/"), refused("other.example:443"));
        assert_eq!(get("https://h.example.evil.example/"), refused("h.example.evil.example:443"));
        assert_eq!(get("https://h.example@evil.example/"), Err(EgressError::Url));
        assert_eq!(get("http://h.example/"), Err(EgressError::Url));
        assert_eq!(
            get(&format!("https://h.example/{}", "a".repeat(EGRESS_URL_BYTES_MAX))),
            Err(EgressError::Url)
        );
    }

    #[test]
    fn methods_and_bodies_are_bounded() {
        for method in ["CONNECT", "TRACE", "get", "", "GET /"] {
            assert_eq!(told(request(method, "https://h.example/")), Err(EgressError::Method));
        }
        let large =
            GuestRequest { body: vec![0; EGRESS_BODY_BYTES_MAX + 1], ..request("PUT", "https://h.example/") };
        assert_eq!(told(large), Err(EgressError::Body));
    }

    #[test]
    fn headers_are_off_the_list() {
        let with = |name: &str, value: &str| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            told(GuestRequest { headers, ..request("GET", "https://h.example/") })
        };
        let sent = "GET h.example:443 / [(\"accept\", \"text/plain\")] 0";
        assert_eq!(with("Accept", "text/plain"), Ok(sent.into()));
        for name in
            ["host", "connection", "content-length", "transfer-encoding", "x-forwarded-for", "cookie", ""]
        {
            assert!(matches!(with(name, "x"), Err(EgressError::Header(_))), "{name}");
        }
        assert!(matches!(with("accept", "a\r\nhost: evil"), Err(EgressError::Header(_))));
        assert_eq!(with("accept", &"x".repeat(EGRESS_HEADER_BYTES_MAX)), Err(EgressError::Headers));
    }

    /// Answers when all have come.
    struct Together(Barrier);

    impl Outbound for Together {
        fn fetch(&self, _: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
            self.0.wait();
            self.0.wait();
            Ok(OutboundReply::default())
        }
    }

    #[test]
    fn so_many_at_once_and_no_more() {
        let outbound = Arc::new(Together(Barrier::new(EGRESS_AT_ONCE_MAX + 1)));
        let egress = Egress::new(vec!["h.example:443".parse().expect("a host")], outbound.clone());
        let fetch = || egress.fetch(request("GET", "https://h.example/"), Duration::from_secs(1));
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..EGRESS_AT_ONCE_MAX).map(|_| scope.spawn(fetch)).collect();
            outbound.0.wait();
            assert_eq!(fetch(), Err(EgressError::Busy));
            outbound.0.wait();
            assert!(waiting.into_iter().all(|thread| thread.join().expect("no panic").is_ok()));
        });
        assert_eq!(egress.under_way.load(Ordering::Relaxed), 0, "all places are given back");
    }
}
