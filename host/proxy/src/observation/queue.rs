//! A queue between the sessions and the worker, bounded in count and bytes, and how many blocks may be copied in a second. Whoever
//! puts something in never waits for the worker: what has no room is refused.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Most inputs that wait for the worker. At some 50 µs for a judgement they are worked off in a tenth of a second.
pub(super) const QUEUE_ITEMS_MAX: usize = 2048;
/// Most bytes, roughly, of inputs that wait.
pub(super) const QUEUE_BYTES_MAX: usize = 8 << 20;
/// Most bytes, roughly, of one input: a statement of which more was understood is not observed.
pub(super) const INPUT_BYTES_MAX: usize = 256 << 10;
/// Most blocks of cells that are copied in a second, over all sessions: 3 MiB, which takes a processor a millisecond or two.
pub(super) const BLOCKS_PER_SECOND_MAX: u32 = 50;

/// How large a queue may get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) items_max: usize,
    pub(super) bytes_max: usize,
    pub(super) item_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { items_max: QUEUE_ITEMS_MAX, bytes_max: QUEUE_BYTES_MAX, item_bytes_max: INPUT_BYTES_MAX }
    }
}

/// There is no room: the input is not observed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What the worker gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped<T> {
    /// The oldest.
    Item(T),
    /// There was nothing until then.
    Nothing,
    /// There will be nothing more.
    Closed,
}

/// See the module's documentation. The lock is held for as long as it takes to move an item, never while one is worked on.
#[derive(Debug)]
pub(super) struct Queue<T> {
    bounds: Bounds,
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    settled: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    /// How many were ever put in, and how many of them the worker is done with.
    put: u64,
    done: u64,
    taken: u64,
    is_closed: bool,
    /// Something but the items has changed; whoever waits looks again.
    is_stirred: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let waiting = Waiting {
            items: VecDeque::new(),
            bytes: 0,
            put: 0,
            done: 0,
            taken: 0,
            is_closed: false,
            is_stirred: false,
        };
        Self { bounds, waiting: Mutex::new(waiting), changed: Condvar::new(), settled: Condvar::new() }
    }

    /// Whether an item of that size would find room now: asked before it is copied.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bounds.leave_room(&self.waiting.lock(), bytes)
    }

    /// Puts an item of that size in.
    pub(super) fn push(&self, bytes: usize, item: T) -> Result<(), Full> {
        {
            let mut waiting = self.waiting.lock();
            if !self.bounds.leave_room(&waiting, bytes) {
                return Err(Full);
            }
            waiting.items.push_back((bytes, item));
            waiting.bytes += bytes;
            waiting.put += 1;
        }
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the oldest item, and is done with the one before; waits for one until then, forever if no time is given, unless it
    /// is stirred.
    pub(super) fn pop(&self, until: Option<Instant>) -> Popped<T> {
        let mut waiting = self.waiting.lock();
        waiting.done = waiting.taken;
        self.settled.notify_all();
        loop {
            if waiting.is_closed {
                return Popped::Closed;
            }
            if let Some((bytes, item)) = waiting.items.pop_front() {
                waiting.bytes -= bytes;
                waiting.taken += 1;
                return Popped::Item(item);
            }
            if std::mem::take(&mut waiting.is_stirred) {
                return Popped::Nothing;
            }
            match until {
                None => self.changed.wait(&mut waiting),
                Some(until) if self.changed.wait_until(&mut waiting, until).timed_out() => {
                    return Popped::Nothing;
                }
                Some(_) => {}
            }
        }
    }

    /// Waits until the worker is done with all that was put in before, for as long as until then.
    pub(super) fn settle(&self, until: Instant) {
        let mut waiting = self.waiting.lock();
        let put = waiting.put;
        while waiting.done < put && !waiting.is_closed {
            if self.settled.wait_until(&mut waiting, until).timed_out() {
                return;
            }
        }
    }

    /// Has whoever waits look again at what it waits for.
    pub(super) fn stir(&self) {
        self.waiting.lock().is_stirred = true;
        self.changed.notify_one();
    }

    /// Lets go of what is in it, and takes nothing more.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        waiting.items.clear();
        waiting.bytes = 0;
        self.changed.notify_all();
        self.settled.notify_all();
    }
}

impl Bounds {
    fn leave_room<T>(self, waiting: &Waiting<T>, bytes: usize) -> bool {
        !waiting.is_closed
            && bytes <= self.item_bytes_max
            && waiting.items.len() < self.items_max
            && waiting.bytes + bytes <= self.bytes_max
    }
}

/// So many in each second, counted from the first.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second_max: u32,
    taken: Mutex<Option<(Instant, u32)>>,
}

impl Allowance {
    pub(super) fn new(per_second_max: u32) -> Self {
        Self { per_second_max, taken: Mutex::new(None) }
    }

    /// Takes one, if there is one left at that time.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut taken = self.taken.lock();
        let (since, count) = match *taken {
            Some((since, count)) if now.saturating_duration_since(since) < Duration::from_secs(1) => {
                (since, count)
            }
            Some(_) | None => (now, 0),
        };
        let is_left = count < self.per_second_max;
        *taken = Some((since, count + u32::from(is_left)));
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn queue(items_max: usize, bytes_max: usize, item_bytes_max: usize) -> Queue<u32> {
        Queue::new(Bounds { items_max, bytes_max, item_bytes_max })
    }

    #[test]
    fn what_has_no_room_is_refused_and_the_rest_comes_out_in_order() {
        let check = |bounds: (usize, usize, usize), pushes: &[(usize, bool)]| {
            let queue = queue(bounds.0, bounds.1, bounds.2);
            let mut taken = Vec::new();
            for (number, (bytes, fits)) in (0..).zip(pushes) {
                assert_eq!(queue.has_room(*bytes), *fits, "{bounds:?} {number}");
                assert_eq!(queue.push(*bytes, number).is_ok(), *fits, "{bounds:?} {number}");
                taken.extend(fits.then_some(number));
            }
            for number in taken {
                assert_eq!(queue.pop(None), Popped::Item(number), "{bounds:?}");
            }
            let room = bounds.2.min(bounds.1);
            assert_eq!(queue.has_room(room), bounds.0 > 0, "all room is back: {bounds:?}");
        };
        check((2, 100, 100), &[(1, true), (1, true), (1, false)]);
        check((9, 100, 100), &[(60, true), (41, false), (40, true), (0, true), (1, false)]);
        check((9, 100, 10), &[(11, false), (10, true)]);
        check((0, 100, 100), &[(0, false)]);
    }

    #[test]
    fn a_closed_queue_lets_go_of_all_and_takes_nothing() {
        let queue = queue(9, 9, 9);
        assert_eq!(queue.push(1, 1), Ok(()));
        queue.close();
        assert_eq!((queue.pop(None), queue.push(1, 2)), (Popped::Closed, Err(Full)));
    }

    #[test]
    fn whoever_waits_is_told() {
        let queue = queue(9, 9, 9);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| [queue.pop(None), queue.pop(None), queue.pop(None)]);
            assert_eq!(queue.push(1, 7), Ok(()));
            while !queue.has_room(9) {
                thread::yield_now();
            }
            queue.stir();
            while queue.waiting.lock().is_stirred {
                thread::yield_now();
            }
            queue.close();
            let got = waiting.join().expect("it ends");
            assert_eq!(got, [Popped::Item(7), Popped::Nothing, Popped::Closed]);
        });
        let open = self::queue(9, 9, 9);
        assert_eq!(open.pop(Some(Instant::now())), Popped::Nothing);
    }

    #[test]
    fn it_is_settled_when_all_that_was_put_in_is_done_with() {
        let queue = queue(9, 9, 9);
        let soon = Instant::now() + Duration::from_mins(1);
        queue.settle(soon);
        assert_eq!((queue.push(1, 7), queue.push(1, 8)), (Ok(()), Ok(())));
        assert_eq!(queue.pop(None), Popped::Item(7));
        assert_eq!(queue.pop(None), Popped::Item(8));
        queue.settle(Instant::now());
        assert_eq!(queue.waiting.lock().done, 1, "one is still under way");
        thread::scope(|scope| {
            let settled = scope.spawn(|| queue.settle(soon));
            assert_eq!(queue.pop(Some(Instant::now())), Popped::Nothing);
            settled.join().expect("it ends");
        });
        assert_eq!(queue.push(1, 9), Ok(()));
        queue.close();
        queue.settle(soon);
    }

    #[test]
    fn an_allowance_is_renewed_each_second() {
        let (allowance, start) = (Allowance::new(2), Instant::now());
        let check = |milliseconds: u64, expected: bool| {
            let now = start + Duration::from_millis(milliseconds);
            assert_eq!(allowance.take(now), expected, "{milliseconds}");
        };
        for (milliseconds, expected) in [(0, true), (10, true), (20, false), (999, false)] {
            check(milliseconds, expected);
        }
        for (milliseconds, expected) in [(1000, true), (1999, true), (1999, false), (2000, true)] {
            check(milliseconds, expected);
        }
        assert!(!Allowance::new(0).take(start));
    }
}
