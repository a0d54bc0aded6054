//! Capability: HTTPS requests to the hosts that the operator allows; a few in one exchange, bounded in time and bytes. Redirects
//! are not followed. A component that uses it is judged anew for each statement, and its statements wait for the replies.
//!
//! In native tests a plugin has what `testing::Capabilities` granted it on this thread, and else nothing but failures.

use crate::{Attribute, Failure};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Begins with `https://`.
    pub url: String,
    /// Of a short list: `accept`, `authorization`, `content-type`, `x-api-key` and the like.
    pub headers: Vec<Attribute>,
    /// At most 64 KiB.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status: 200, 404, …
    pub status: u16,
    /// Names in lower case; only those that describe the body are there.
    pub headers: Vec<Attribute>,
    /// All of it, at most 256 KiB.
    pub body: Vec<u8>,
}

impl Request {
    /// Asks for what is at a URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET".into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Sends a body to a URL.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), body: body.into(), ..Self::get(url) }
    }

    /// With that header too.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Attribute::new(name, value));
        self
    }

    /// Sends it and waits for the reply, whatever its status.
    ///
    /// # Errors
    /// It may not be sent, or there is no whole reply.
    pub fn send(self) -> Result<Reply, Failure> {
        #[cfg(target_arch = "wasm32")]
        return on_the_host(self);
        #[cfg(not(target_arch = "wasm32"))]
        return crate::native::with(|granted| granted.fetch(self));
    }
}

impl Reply {
    /// A reply of that status and body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.key.eq_ignore_ascii_case(name))?;
        Some(&header.value)
    }
}

#[cfg(target_arch = "wasm32")]
fn on_the_host(request: Request) -> Result<Reply, Failure> {
    use crate::component::policy::bindings::grille::plugin::egress as wit;
    let headers: Vec<_> = request.headers.into_iter().map(Into::into).collect();
    let reply = wit::fetch(&request.method, &request.url, &headers, &request.body)
        .map_err(crate::component::failure)?;
    let headers = reply.headers.into_iter().map(Into::into).collect();
    Ok(Reply { status: reply.status, headers, body: reply.body })
}
