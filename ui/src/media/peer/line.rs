//! Work that waits to be done one after the other.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

/// Work that waits, and whether somebody does it.
pub struct Line<T> {
    waiting: RefCell<VecDeque<T>>,
    working: Cell<bool>,
    most: usize,
}

impl<T> Line<T> {
    /// Nothing waits. There is place for `most`.
    pub fn new(most: usize) -> Self {
        Self { waiting: RefCell::default(), working: Cell::new(false), most }
    }

    /// Adds to the end, unless too much waits; tells whether somebody has to begin with the work.
    pub fn put(&self, work: T) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.most {
            return false;
        }
        waiting.push_back(work);
        !self.working.replace(true)
    }

    /// What to do next. Whoever gets nothing has ended the work.
    pub fn next(&self) -> Option<T> {
        let next = self.waiting.borrow_mut().pop_front();
        self.working.set(next.is_some());
        next
    }

    /// Forgets what waits.
    pub fn clear(&self) {
        self.waiting.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_puts_into_an_idle_line_begins() {
        let line = Line::new(2);
        assert!(line.put(1));
        assert!(!line.put(2));
        assert!(!line.put(3), "there is no place");
        assert_eq!((line.next(), line.next(), line.next()), (Some(1), Some(2), None));
        assert!(line.put(4));
        line.clear();
        assert_eq!(line.next(), None);
    }
}
