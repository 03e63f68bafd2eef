//! Bounded queue of operations that run one after the other (the W3C's operations chain, WebRTC 1.0, section 4.4.1.2).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

/// Queued operations, and whether a task is running them.
pub struct OperationsChain<T> {
    queue: RefCell<VecDeque<T>>,
    running: Cell<bool>,
    capacity: usize,
}

impl<T> OperationsChain<T> {
    /// Creates an empty chain for at most `capacity` queued operations.
    pub fn new(capacity: usize) -> Self {
        Self { queue: RefCell::default(), running: Cell::new(false), capacity }
    }

    /// Queues an operation, or drops it when the queue is full. Returns whether the caller has to start a task that runs the
    /// chain.
    pub fn push(&self, operation: T) -> bool {
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= self.capacity {
            return false;
        }
        queue.push_back(operation);
        !self.running.replace(true)
    }

    /// The next operation for the running task. `None` ends that task.
    pub fn next(&self) -> Option<T> {
        let next = self.queue.borrow_mut().pop_front();
        self.running.set(next.is_some());
        next
    }

    /// Drops all queued operations.
    pub fn clear(&self) {
        self.queue.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_operation_of_an_idle_chain_starts_a_task() {
        let chain = OperationsChain::new(2);
        assert!(chain.push(1));
        assert!(!chain.push(2));
        assert!(!chain.push(3), "the queue is full");
        assert_eq!((chain.next(), chain.next(), chain.next()), (Some(1), Some(2), None));
        assert!(chain.push(4));
        chain.clear();
        assert_eq!(chain.next(), None);
    }
}
