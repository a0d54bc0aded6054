//! Capabilities as a test grants them: a clock that stands, state in memory, a key, replies that the test wrote.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use crate::egress::{Reply, Request};
use crate::native::{self, Granted};
use crate::{Failure, clock, keyed};

/// Grants a plugin capabilities on this thread, for as long as it lives.
///
/// ```
/// use std::time::Duration;
/// use grille_sdk::{state, testing::Capabilities};
///
/// let host = Capabilities::new().state();
/// assert_eq!(state::add("seen", 1, Duration::from_secs(60)), Ok(1));
/// host.advance(Duration::from_secs(60));
/// assert_eq!(state::add("seen", 1, Duration::from_secs(60)), Ok(1));
/// ```
pub struct Capabilities {
    host: Rc<Host>,
    before: Option<Rc<dyn Granted>>,
    time_before: Duration,
}

/// Time in milliseconds.
#[derive(Default)]
struct Host {
    state: Cell<bool>,
    keyed: Cell<bool>,
    values: RefCell<HashMap<String, (Vec<u8>, u128)>>,
    counters: RefCell<HashMap<String, (i64, u128)>>,
    replies: RefCell<HashMap<String, Result<Reply, Failure>>>,
    requests: RefCell<Vec<Request>>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

impl Capabilities {
    /// None but the log and the clock, which stands at the Unix epoch.
    pub fn new() -> Self {
        let host = Rc::new(Host::default());
        let granted: Rc<dyn Granted> = host.clone();
        let this = Self { before: native::grant(Some(granted)), host, time_before: clock::now() };
        clock::freeze(Duration::ZERO);
        this
    }

    /// With `state`, empty.
    #[must_use = "capabilities last as long as this"]
    pub fn state(self) -> Self {
        self.host.state.set(true);
        self
    }

    /// With `keyed`: stable and apart by domain, as Grille's; the values are not Grille's.
    #[must_use = "capabilities last as long as this"]
    pub fn keyed(self) -> Self {
        self.host.keyed.set(true);
        self
    }

    /// With `egress` to that URL, which is answered so. A URL without a reply is one that the operator does not allow.
    #[must_use = "capabilities last as long as this"]
    pub fn reply(self, url: impl Into<String>, reply: Result<Reply, Failure>) -> Self {
        self.host.replies.borrow_mut().insert(url.into(), reply);
        self
    }

    /// Makes it that time, since the Unix epoch.
    pub fn set_time(&self, since_epoch: Duration) {
        clock::freeze(since_epoch);
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        clock::freeze(clock::now() + time);
    }

    /// Every request, in order, refused ones too.
    pub fn requests(&self) -> Vec<Request> {
        self.host.requests.borrow().clone()
    }
}

impl Drop for Capabilities {
    fn drop(&mut self) {
        native::grant(self.before.take());
        clock::freeze(self.time_before);
    }
}

impl Host {
    fn check_state(&self, key: &str, time_ms: Option<u32>) -> Result<(), Failure> {
        if !self.state.get() {
            return Err(Failure::new("the test did not grant `state`"));
        }
        if key.len() > 256 {
            return Err(Failure::new("a key has at most 256 bytes"));
        }
        match time_ms {
            Some(0 | 86_400_001..) => Err(Failure::new("a time is from 1 ms to 86400000 ms")),
            Some(_) | None => Ok(()),
        }
    }
}

fn now_ms() -> u128 {
    clock::now().as_millis()
}

impl Granted for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.check_state(key, None)?;
        let values = self.values.borrow();
        Ok(values.get(key).filter(|(_, ends)| now_ms() < *ends).map(|(value, _)| value.clone()))
    }

    fn set(&self, key: &str, value: &[u8], ttl_ms: u32) -> Result<(), Failure> {
        self.check_state(key, Some(ttl_ms))?;
        if value.len() > 16 * 1024 {
            return Err(Failure::new("a value has at most 16384 bytes"));
        }
        self.values.borrow_mut().insert(key.to_owned(), (value.to_vec(), now_ms() + u128::from(ttl_ms)));
        Ok(())
    }

    fn add(&self, key: &str, delta: i64, window_ms: u32) -> Result<i64, Failure> {
        self.check_state(key, Some(window_ms))?;
        let mut counters = self.counters.borrow_mut();
        let known = counters.get(key).copied().filter(|(_, ends)| now_ms() < *ends);
        let (before, ends) = known.unwrap_or((0, now_ms() + u128::from(window_ms)));
        let after = before.checked_add(delta).ok_or_else(|| Failure::new("the counter would overflow"))?;
        counters.insert(key.to_owned(), (after, ends));
        Ok(after)
    }

    fn transform(&self, method: &str, domain: &str, values: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure> {
        if !self.keyed.get() {
            return Err(Failure::new("the test did not grant `keyed`"));
        }
        let one = |value: &&[u8]| {
            let digits: String = (0..4_u8).map(|part| hash(&(domain, *value, part))).collect();
            match method {
                keyed::TOKEN => Ok(format!("tok_{}", &digits[..16]).into_bytes()),
                keyed::HMAC_SHA256 => Ok(digits.into_bytes()),
                _ => Err(Failure::new("the methods are token and hmac-sha256")),
            }
        };
        values.iter().map(one).collect()
    }

    fn fetch(&self, request: Request) -> Result<Reply, Failure> {
        let not_allowed = || Failure::new(format!("{} is not allowed", request.url));
        let reply = self.replies.borrow().get(&request.url).cloned().unwrap_or_else(|| Err(not_allowed()));
        self.requests.borrow_mut().push(request);
        reply
    }
}

/// 16 hexadecimal digits.
fn hash(of: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_not_granted_fails() {
        assert!(state::get("k").is_err());
        assert!(keyed::transform(keyed::TOKEN, "d", &[b"v"]).is_err());
        assert!(Request::get("https://a.example/").send().is_err());
        let host = Capabilities::new();
        assert!(state::get("k").is_err() && keyed::transform(keyed::TOKEN, "d", &[b"v"]).is_err());
        assert!(Request::get("https://a.example/").send().is_err());
        assert_eq!(host.requests().len(), 1);
        drop(host.state());
        assert!(state::get("k").is_err(), "it lasts as long as its host");
    }

    #[test]
    fn state_ends_with_its_time() {
        let host = Capabilities::new().state();
        state::set("k", b"v", MINUTE).expect("kept");
        assert_eq!(state::add("k", 2, MINUTE), Ok(2));
        host.advance(MINUTE / 2);
        assert_eq!((state::get("k"), state::add("k", 2, MINUTE)), (Ok(Some(b"v".to_vec())), Ok(4)));
        host.advance(MINUTE / 2);
        assert_eq!((state::get("k"), state::add("k", 2, MINUTE)), (Ok(None), Ok(2)));
        assert!(state::set("k", b"v", Duration::ZERO).is_err());
        assert!(state::add(&"k".repeat(257), 1, MINUTE).is_err());
    }

    #[test]
    fn keyed_values_are_apart_by_domain() {
        let _host = Capabilities::new().keyed();
        let made = |domain| keyed::transform(keyed::TOKEN, domain, &[b"a", b"b", b"a"]).expect("made");
        assert_eq!((made("d")[0].len(), &made("d")[0]), (20, &made("d")[2]));
        assert_ne!(made("d")[0], made("d")[1]);
        assert_ne!(made("d")[0], made("e")[0]);
        assert_eq!(keyed::transform(keyed::HMAC_SHA256, "d", &[b"a"]).map(|made| made[0].len()), Ok(64));
        assert!(keyed::transform("md5", "d", &[b"a"]).is_err());
    }

    #[test]
    fn requests_get_the_replies_of_the_test() {
        let host = Capabilities::new().reply("https://a.example/", Ok(Reply::new(200, "hello")));
        let reply = Request::post("https://a.example/", "x").header("accept", "text/plain").send();
        assert_eq!(reply.map(|reply| reply.body), Ok(b"hello".to_vec()));
        assert_eq!(host.requests()[0].headers.len(), 1);
    }
}
