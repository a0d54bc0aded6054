//! Capabilities in native builds: what a test granted on this thread. A plugin that uses another gets a failure.

use std::cell::RefCell;

use crate::Failure;
use crate::egress::{Reply, Request};

/// What a test's host does.
pub(crate) trait Granted {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;
    fn set(&self, key: &str, value: &[u8], ttl_ms: u32) -> Result<(), Failure>;
    fn add(&self, key: &str, delta: i64, window_ms: u32) -> Result<i64, Failure>;
    fn transform(&self, method: &str, domain: &str, values: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure>;
    fn fetch(&self, request: Request) -> Result<Reply, Failure>;
}

std::thread_local! {
    static GRANTED: RefCell<Option<std::rc::Rc<dyn Granted>>> = const { RefCell::new(None) };
}

/// Works with what this thread's test granted.
pub(crate) fn with<T>(work: impl FnOnce(&dyn Granted) -> Result<T, Failure>) -> Result<T, Failure> {
    let granted = GRANTED.with_borrow(Clone::clone);
    granted.map_or_else(|| Err(Failure::new("no test granted this capability")), |granted| work(&*granted))
}

/// Grants on this thread; what was granted before comes back.
#[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only tests grant"))]
pub(crate) fn grant(granted: Option<std::rc::Rc<dyn Granted>>) -> Option<std::rc::Rc<dyn Granted>> {
    GRANTED.replace(granted)
}
