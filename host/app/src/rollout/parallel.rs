//! A few things done at once, in threads of their own that end with the call.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// Most at once: each may run a compiler, whose process has several threads itself.
const AT_ONCE_MAX: usize = 4;

/// What comes of each, in their order. A panic goes on in the caller.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE_MAX.min(items.len()) {
            scope.spawn(|| {
                while let Some((index, item)) = take() {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order() {
        assert_eq!(map(&[0_u8; 0], |n| *n), [0_u8; 0]);
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(map(&items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }
}
